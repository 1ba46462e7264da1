import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Agent, request, type Dispatcher } from 'undici'
import { stringify } from 'yaml'
import { createAuthority, issueCertificate, type KeyPair } from '../../src/common/pki.ts'
import type { Change } from '../../src/mesh/records.ts'

const host = '127.0.0.1'

/** What a test needs of `t`. */
interface Scope {
  teardown(clean: () => unknown): unknown
}

export interface Answer {
  status: number
  body: any
}

type Body = string | Buffer | AsyncIterable<string> | Iterable<string>

/** A copilot process with its own folder and certificates. */
export class Copilot {
  readonly folder = mkdtempSync(join(tmpdir(), 'mesh-copilot-'))
  readonly file = join(this.folder, 'store/copilot.db')
  readonly #authority: KeyPair = createAuthority('test')
  readonly #clients = new Map<string, { cert: string; key: string; ca: string }>()
  readonly #agents = new Map<string, Agent>()
  #ports: { health: number; listen: number; api: number } | undefined
  #process: ChildProcess | undefined
  #output = ''

  static async start(t: Scope, config: Record<string, unknown> = {}): Promise<Copilot> {
    const copilot = new Copilot()
    t.teardown(() => copilot.remove())
    await copilot.start(config)
    return copilot
  }

  /** A certificate of an authority that nobody trusts. */
  static strangersCertificate(): KeyPair {
    return issueCertificate(createAuthority('stranger'), { commonName: 'pilot', dns: ['pilot.service.cf.internal'] })
  }

  /** Starts the process; resolves when it is ready, rejects with its output when it ends instead. */
  async start(config: Record<string, unknown> = {}): Promise<void> {
    const given = this.#ports
    for (let left = 5; ; left--) {
      this.#ports = given ?? { health: await freePort(), listen: await freePort(), api: await freePort() }
      try {
        return await this.#launch(config)
      } catch (error) {
        // Somebody else was faster to take a port that was free.
        if (given || left <= 1 || !(error as Error).message.includes('EADDRINUSE')) throw error
      }
    }
  }

  async #launch(config: Record<string, unknown>): Promise<void> {
    const ports = this.#ports!
    const file = join(this.folder, 'copilot.yml')
    const { store, api, ...others } = config as { store?: object; api?: object }
    const whole = {
      health: { listen: { port: ports.health } },
      listen: { port: ports.listen },
      tls: this.tls('copilot'),
      api: { listen: { port: ports.api }, ...(api as object) },
      store: { file: this.file, ...store },
      ...others,
    }
    writeFileSync(file, stringify(whole))
    this.#output = ''
    this.#process = spawn(process.execPath, [resolve(import.meta.dirname, '../../src/copilot/main.ts'), '--config', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    await new Promise<void>((ready, fail) => {
      const look = (chunk: Buffer): void => {
        this.#output += chunk
        if (this.#output.includes('"msg":"ready"')) ready()
      }
      this.#process!.stdout!.on('data', look)
      this.#process!.stderr!.on('data', look)
      this.#process!.on('exit', () => fail(new Error(this.#output)))
    })
  }

  get api(): string {
    return `http://${host}:${this.#ports!.api}`
  }

  get health(): string {
    return `http://${host}:${this.#ports!.health}`
  }

  /** Where components connect. */
  get url(): string {
    return `https://${host}:${this.#ports!.listen}`
  }

  get pid(): number {
    return this.#process!.pid!
  }

  get output(): string {
    return this.#output
  }

  /** Ends the process and waits for that; returns its exit code. */
  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    child.kill(signal)
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  }

  async remove(): Promise<void> {
    for (const agent of this.#agents.values()) await agent.destroy()
    await this.kill('SIGKILL')
    rmSync(this.folder, { recursive: true })
  }

  /** Files with a certificate of that component's name. */
  tls(name: string, dns = `${name}.service.cf.internal`): { certificate: string; key: string; ca: string } {
    const { certificate, key } = issueCertificate(this.#authority, { commonName: name, dns: [dns], ips: [host] })
    const write = (kind: string, content: string): string => {
      const path = join(this.folder, `${name}.${kind}.pem`)
      writeFileSync(path, content)
      return path
    }
    return { certificate: write('certificate', certificate), key: write('key', key), ca: write('ca', this.#authority.certificate) }
  }

  /** A component's end of mutual TLS. */
  client(name: string): { cert: string; key: string; ca: string } {
    let client = this.#clients.get(name)
    if (!client) {
      const { certificate, key } = issueCertificate(this.#authority, { commonName: name, dns: [`${name}.service.cf.internal`] })
      this.#clients.set(name, (client = { cert: certificate, key, ca: this.#authority.certificate }))
    }
    return client
  }

  /** A connection pool with a component's certificate. */
  agent(name: string): Agent {
    let agent = this.#agents.get(name)
    if (!agent) this.#agents.set(name, (agent = new Agent({ connect: this.client(name) })))
    return agent
  }

  /** Asks as a component. */
  as(name: string, method: Dispatcher.HttpMethod, path: string, body?: unknown): Promise<Answer> {
    return ask(method, `${this.url}${path}`, body, { dispatcher: this.agent(name) })
  }

  /** Asks as a person. */
  get(path: string): Promise<Answer> {
    return ask('GET', `${this.api}${path}`)
  }

  put(epoch: string, records: Iterable<object>, source = 'cf'): Promise<Answer> {
    return this.send(ndjson(records), epoch, source)
  }

  /** Sends a full sync's stream as it is. */
  send(body: Body, epoch = 'e1', source = 'cf', dispatcher: Dispatcher = this.agent('route-syncer')): Promise<Answer> {
    return ask('PUT', `${this.url}/v1/sources/${source}/records?epoch=${epoch}`, body, {
      dispatcher,
      headers: { 'content-type': 'application/x-ndjson' },
    })
  }

  change(epoch: string, changes: unknown[], source = 'cf'): Promise<Answer> {
    return this.as('route-syncer', 'POST', `/v1/sources/${source}/changes?epoch=${epoch}`, { changes })
  }

  /** Begins a watch. */
  async watch(query = ''): Promise<Watch> {
    const { statusCode, body } = await request(`${this.url}/v1/watch${query}`, { dispatcher: this.agent('pilot') })
    if (statusCode !== 200) throw new Error(await body.text())
    return new Watch(body)
  }

  /** The present state, as a new watcher gets it. */
  async snapshot(): Promise<{ history: string; revision: number; records: Map<string, string> }> {
    const watch = await this.watch()
    const state = await watch.untilSynced()
    watch.close()
    return state
  }
}

/** A reader of a watch: applies each line to a state, as pilot does. */
export class Watch {
  readonly #body: Dispatcher.ResponseData['body']
  readonly #lines: AsyncIterator<string>
  readonly records = new Map<string, string>()
  history = ''
  revision = 0

  constructor(body: Dispatcher.ResponseData['body']) {
    this.#body = body
    this.#lines = splitLines(body)[Symbol.asyncIterator]()
  }

  /** The next line, applied. */
  async next(): Promise<any> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('the watch has ended')
    const line = JSON.parse(value)
    if (line.snapshot) this.records.clear()
    const { history, revision } = line.snapshot ?? line.synced ?? line
    if (history) this.history = history
    if (revision !== undefined) this.revision = revision
    for (const { kind, key, value } of (line.records ?? line.changes ?? []) as Change[]) {
      if (value === null) this.records.delete(`${kind} ${key}`)
      else this.records.set(`${kind} ${key}`, JSON.stringify(value))
    }
    return line
  }

  /** Reads until a line is `synced`, or until `revision` is reached. */
  async untilSynced(revision?: number): Promise<this> {
    for (;;) {
      const line = await this.next()
      if (revision === undefined ? line.synced : this.revision >= revision) return this
    }
  }

  close(): void {
    this.#body.on('error', () => {}).destroy()
  }
}

async function* splitLines(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    yield* lines
  }
}

export async function ask(
  method: Dispatcher.HttpMethod,
  url: string,
  body?: unknown,
  { headers, dispatcher }: { headers?: Record<string, string>; dispatcher?: Dispatcher } = {},
): Promise<Answer> {
  const plain = body !== undefined && !(typeof body === 'string' || Buffer.isBuffer(body) || Symbol.asyncIterator in (body as object))
  const answer = await request(url, {
    method,
    headers: { ...(plain && { 'content-type': 'application/json' }), ...headers },
    body: (plain ? JSON.stringify(body) : body) as string,
    ...(dispatcher && { dispatcher }),
  })
  const text = await answer.body.text()
  return {
    status: answer.statusCode,
    body: String(answer.headers['content-type']).startsWith('application/json') ? JSON.parse(text) : text,
  }
}

/** A full sync's stream with its commit line. */
export async function* ndjson(records: Iterable<object>): AsyncGenerator<string> {
  let count = 0
  for (const record of records) {
    count++
    yield `${JSON.stringify(record)}\n`
  }
  yield `${JSON.stringify({ commit: { count } })}\n`
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
