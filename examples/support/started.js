// The running `npm start` that a walk-through is about: where it is, its router, and meshctl.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { createServer } from 'node:net'
import { join, relative, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { node24, root } from '../../scripts/setup.js'
import { eventually } from './checks.js'

const data = resolve(process.env.MESH_DATA ?? join(root, '.mesh'))
const file = join(data, 'ready.json')
if (!existsSync(file)) {
  console.error(`Nothing runs in ${data}. Begin with npm start, or name its data folder in MESH_DATA.`)
  process.exit(1)
}

/** What `npm start` tells of itself (src/start/ready.ts). */
export const ready = JSON.parse(readFileSync(file, 'utf8'))

/** The lines of the first router's access log so far. */
export function accessLog() {
  const lines = readFileSync(join(data, 'logs/istio-router.log'), 'utf8').split('\n')
  return lines.flatMap((line) => (line.includes('"flags"') ? [JSON.parse(line)] : []))
}

/** A port that is free at the moment. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

/** Runs meshctl, with `input` as its standard input; resolves with `{ code, out, err }`. */
export function meshctl(args, input = '') {
  return new Promise((done) => {
    const child = execFile(
      node24(),
      [join(root, 'src/cli/main.ts'), ...args],
      {
        env: { ...process.env, MESH_DATA: data, MESHCTL_HOME: join(data, 'meshctl') },
        maxBuffer: 64 << 20,
      },
      (error, out, err) => done({ code: error ? (error.code ?? 1) : 0, out, err }),
    )
    child.stdin.end(input)
  })
}

/** Runs meshctl and says so; rejects with what it said where it fails. */
async function run(args, input) {
  console.log(`    $ meshctl ${args.map((arg) => (arg.startsWith(root) ? relative(process.cwd(), arg) : arg)).join(' ')}`)
  const outcome = await meshctl(args, input)
  if (outcome.code) throw new Error(`meshctl ${args.join(' ')}: ${outcome.err}${outcome.out}`)
  return outcome.out
}

/** `cf push -f`, by meshctl. */
export function push(manifest, variables = {}) {
  const given = Object.entries(variables).flatMap(([name, value]) => ['--var', `${name}=${value}`])
  return run(['dev', 'push', '-f', manifest, ...given])
}

/** Where the instance of an app listens, as HOST:PORT. */
export async function instanceAddress(app) {
  const [{ address, ports }] = await eventually(`${app} runs`, async () => {
    const instances = JSON.parse(await run(['--json', 'instances', app]))
    return instances.length && instances
  })
  return `${address}:${ports[0].plain}`
}

const namespaced = (namespace) => (namespace ? ['-n', namespace] : [])

/** Applies a file of rules and waits until every router has them. `replace` changes the text first. */
export async function apply(rules, { namespace, replace } = {}) {
  const content = replace && replace(readFileSync(rules, 'utf8'))
  const out = await run(['apply', '-f', replace ? '-' : rules, ...namespaced(namespace)], content)
  const resources = out
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0])
  await run(['wait', '--for=programmed', ...resources, '--timeout', '20s', ...namespaced(namespace)])
}

/** Deletes resources, as `vs/reviews`. */
export const remove = (...resources) => run(['delete', ...resources])

const agent = new Agent({ keepAlive: true })

/** Asks over the router's public port; resolves with status, headers, body (JSON where it is some) and the milliseconds that it took. */
export async function get(host, path = '/', headers = {}, method = 'GET') {
  const began = performance.now()
  const outgoing = request({
    host: '127.0.0.1',
    port: ready.routers[0].http,
    agent,
    method,
    path,
    headers: { accept: 'application/json', ...headers, host },
  })
  outgoing.end()
  const [answer] = await once(outgoing, 'response')
  const content = await text(answer)
  const isJson = answer.headers['content-type']?.includes('json')
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: isJson ? JSON.parse(content) : content,
    took: performance.now() - began,
  }
}
