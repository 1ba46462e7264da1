import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { ask } from '../../support/client.ts'
import { Mesh, type EngineName, type TestRouter } from '../../support/mesh.ts'
import type { TestProgram } from '../../support/program.ts'
import { residentOf } from './memory.ts'
import type { Run } from './run.ts'

/** A request as it reached the app. */
export interface Seen {
  method: string
  url: string
  /** Names and values in turn, as they came. */
  headers: string[]
}

/** An app behind a router of one engine that notes everything that reaches it, ambiguous or not. */
export interface Target {
  engine: EngineName
  router: TestRouter
  host: string
  /** What the app saw of one attack, by the `mark` in its URL; and what was wrong with it. */
  seen: Seen[]
  faults: string[]
}

// For the programs that a mesh starts.
process.env['NODE_OPTIONS'] = `--expose-gc --import=${import.meta.resolve('./collect.ts')}`

/** Starts a mesh, gives a target of every engine to `attack` in turn, and watches the routers' memory. */
export async function attackEngines(
  run: Run,
  attack: (target: Target) => Promise<void>,
  engines: EngineName[] = ['embedded', 'envoy'],
): Promise<void> {
  const mesh = await Mesh.start({ translation: { requestHeadersTimeout: '2s', requestTimeout: '10s' } })
  try {
    for (const engine of engines) {
      const router = mesh.routers.get(engine)
      if (!router) continue
      const target: Target = { engine, router, host: '', seen: [], faults: [] }
      const { host, instances } = await mesh.serve({
        handler: (request, response) => {
          look(target, request)
          request.resume().on('error', () => {})
          request.on('end', () => response.end(`${request.method} ${request.url}`))
        },
      })
      target.host = host
      // What Node's parser refuses came past the router as something that two readers may read in two ways; a request that breaks off did
      // not.
      instances[0]?.app.on(
        'clientError',
        ({ code = '' }: NodeJS.ErrnoException) =>
          code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE' && target.faults.push(`the app was sent what is no HTTP: ${code}`),
      )
      const { program } = router
      const ended = (code: number | null, signal: string | null): void =>
        run.fault(`${engine}: the router ended with ${code ?? signal}:\n${program.output.slice(-2000)}`)
      program.child.once('exit', ended)
      run.watch(program.name, engine === 'envoy' ? () => residentOf(envoyPid(program.child.pid!)) : collected(program))
      await attack(target)
      program.child.off('exit', ended)
      await honest(target, run, 'in the end')
      for (const fault of target.faults) run.fault(`${engine}: ${fault}`)
    }
  } finally {
    await mesh.stop()
  }
}

/** Asks as an honest client does; the answer must be this request's own. */
export async function honest({ engine, router, host, seen }: Target, run: Run, when: string): Promise<void> {
  const url = `/honest-${randomUUID()}`
  try {
    const { status, body } = await ask(router.http, host, { path: url, timeout: 15_000 })
    run.expect(status === 200 && body === `GET ${url}`, `${engine}: an honest request ${when} is answered ${status} ${body.slice(0, 200)}`)
  } catch (error) {
    run.fault(`${engine}: an honest request ${when} fails: ${String(error)}`)
  }
  const at = seen.findIndex((request) => request.url === url)
  if (at >= 0) seen.splice(at, 1)
}

function look({ seen, faults }: Target, { method = '', url = '', rawHeaders, headers }: IncomingMessage): void {
  seen.push({ method, url, headers: rawHeaders })
  if ('content-length' in headers && 'transfer-encoding' in headers) faults.push(`${url} reached the app with a length and a coding`)
  if (url.includes('smuggled') || 'x-smuggled' in headers)
    faults.push(`a smuggled request or header reached the app: ${method} ${url} ${JSON.stringify(rawHeaders).slice(0, 500)}`)
}

/** Resident bytes of a program that runs in Node, as it said them after its last collection; each time it is asked for another. */
function collected({ child, file }: TestProgram): () => number {
  return () => {
    child.kill('SIGUSR2')
    return Number(readFileSync(`${file}.memory`, 'utf8'))
  }
}

/** The Envoy that a program started. */
function envoyPid(program: number): number {
  const children = readFileSync(`/proc/${program}/task/${program}/children`, 'utf8').trim().split(' ').map(Number)
  return children.find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('envoy')) ?? program
}
