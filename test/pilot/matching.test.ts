import { connect, type Socket } from 'node:net'
import { test, type Test } from 'tap'
import * as fc from 'fast-check'
import { normalizeHost } from '../../src/mesh/host.ts'
import { findRoute } from '../../src/mesh/matching.ts'
import { normalizePath, splitTarget } from '../../src/mesh/path.ts'
import { routeKey, type Change } from '../../src/mesh/records.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { TestInstance } from '../support/instance.ts'
import { envoyAbsent, instanceAuthority, Rig, routerAuthority, settingsOf } from './rig.ts'

/** Sends raw requests one after the other, over one connection for as long as Envoy keeps it. */
class RawClient {
  readonly #port: number
  #socket: Socket | undefined

  constructor(port: number) {
    this.#port = port
  }

  async ask(target: string, host: string): Promise<{ status: number; body: string }> {
    const socket = (this.#socket ??= connect(this.#port, '127.0.0.1'))
    socket.write(Buffer.from(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 'latin1'))
    return new Promise((resolve, reject) => {
      let seen = ''
      const done = (): void => {
        socket.removeAllListeners()
        const [head = '', body = ''] = seen.split('\r\n\r\n')
        const status = Number(head.slice(9, 12))
        if (/connection: close/i.test(head) || status === 400) this.close()
        resolve({ status, body })
      }
      socket.on('error', reject)
      socket.on('close', done)
      socket.on('data', (data) => {
        seen += data.toString('latin1')
        const [, length] = /content-length: (\d+)/i.exec(seen) ?? []
        const at = seen.indexOf('\r\n\r\n')
        if (at >= 0 && length !== undefined && seen.length >= at + 4 + Number(length)) done()
      })
    })
  }

  close(): void {
    this.#socket?.on('error', () => {})
    this.#socket?.destroy()
    this.#socket = undefined
  }
}

interface Scene {
  rig: Rig
  client: RawClient
  translator: Translator
  /** Makes these the routes; each route's app is named by its key. */
  serve: (routes: { host: string; path: string }[]) => Promise<void>
}

/** An Envoy, one instance that answers with the app that it was asked as and the path, and any number of routes to it. */
async function scene(t: Test): Promise<Scene> {
  const rig = await Rig.start()
  t.teardown(() => rig.stop())
  const instance = await TestInstance.start({
    identities: instanceAuthority,
    routerCa: routerAuthority.certificate,
    handler: ({ headers, url }, response) => response.end(`${String(headers['x-cf-applicationid'])} ${url}`),
  })
  t.teardown(() => instance.stop())
  const translator = new Translator(settingsOf())
  rig.cache.apply({ changed: translator.constants, removed: [] })
  const client = new RawClient(rig.ports[0]!)
  t.teardown(() => client.close())
  let present: Change[] = [
    { kind: 'process', key: 'p', value: { app: 'a', type: 'web', instances: 1 } },
    { kind: 'instance', key: instance.guid, value: instance.record('p') },
  ]
  rig.cache.apply(translator.apply(present))
  present = []
  return {
    rig,
    client,
    translator,
    async serve(routes) {
      const gone = present.map((change): Change => ({ ...change, value: null }))
      present = routes.map(({ host, path }): Change => {
        const key = routeKey({ exposure: 'pub', host, path })
        const destinations = [{ app: key, type: 'web', port: 8080, protocol: 'http1' as const, processes: ['p'] }]
        return { kind: 'route', key, value: { host, path, exposure: 'pub', space: 's', labels: {}, options: {}, destinations } }
      })
      rig.cache.apply(translator.apply([...gone, ...present]))
      await rig.settled()
      await rig.listening()
    },
  }
}

const segment = fc.constantFrom(
  '/',
  '/',
  '.',
  '..',
  'a',
  'B',
  '%',
  '%2',
  '%2e',
  '%2F',
  '%41',
  '4',
  '1',
  '\\',
  '%5c',
  '%25',
  '~',
  '{',
  '%7B',
  ';',
  ';',
  '%zz',
  '%00',
  '%e9',
  '#',
  '"',
  '?',
  '%3f',
  '*',
)

test('a path has the same normal form in Envoy and here', { skip: envoyAbsent }, async (t) => {
  const { client, serve } = await scene(t)
  await serve([{ host: 'h', path: '' }])
  await fc.assert(
    fc.asyncProperty(fc.array(segment, { maxLength: 14 }), async (parts) => {
      const target = `/${parts.join('')}`
      const { path, query } = splitTarget(target)
      // A fragment anywhere in the target, even behind the query, is refused.
      const normal = target.includes('#') ? undefined : normalizePath(path)
      const { status, body } = await client.ask(target, 'h')
      const expected = normal === undefined ? 400 : `200 pub/h ${normal}${query}`
      t.equal(status === 400 ? 400 : `${status} ${body}`, expected, target)
    }),
    { numRuns: 400 },
  )
})

const label = fc.constantFrom('a', 'b', 'c')
const host = fc.array(label, { minLength: 1, maxLength: 11 }).map((labels) => labels.join('.'))
const near = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'))
const pattern = fc.oneof(
  near,
  near.map((host) => `*.${host}`),
)
const prefix = fc
  .array(fc.constantFrom('x', 'y', 'xy'), { maxLength: 3 })
  .map((segments) => segments.map((segment) => `/${segment}`).join(''))
const authority = fc
  .tuple(fc.oneof(near, near, host), fc.boolean(), fc.constantFrom('', '', '.'), fc.constantFrom('', '', ':80', ':'))
  .map(([host, upper, dot, port]) => (upper ? host.toUpperCase() : host) + dot + port)
const target = fc
  .tuple(
    fc.array(fc.constantFrom('x', 'y', 'xy', 'X', '.', '..', '%2e', 'x%2Fy', ''), { maxLength: 10 }),
    fc.constantFrom('', '', '/', '?x', '/?/y'),
  )
  .map(([segments, end]) => (segments.map((segment) => `/${segment}`).join('') || '/') + end)

test('Envoy and findRoute find the same route', { skip: envoyAbsent }, async (t) => {
  const { client, serve } = await scene(t)
  const ask = async (routes: { host: string; path: string }[], authority: string, target: string): Promise<void> => {
    const keys = new Set(routes.map(({ host, path }) => routeKey({ exposure: 'pub', host, path })))
    const { path, query } = splitTarget(target)
    const normal = normalizePath(path) ?? ''
    const key = findRoute('pub', normalizeHost(authority), normal, (key) => keys.has(key))
    const { status, body } = await client.ask(target, authority)
    t.equal(status === 404 ? undefined : body, key && `${key} ${normal}${query}`, `${authority} ${target}`)
  }
  const routeSet = fc.uniqueArray(fc.record({ host: pattern, path: prefix }), {
    minLength: 1,
    maxLength: 12,
    selector: ({ host, path }) => host + path,
  })
  await fc.assert(
    fc.asyncProperty(routeSet, fc.array(fc.tuple(authority, target), { minLength: 40, maxLength: 40 }), async (routes, requests) => {
      await serve(routes)
      for (const [authority, target] of requests) await ask(routes, authority, target)
    }),
    { numRuns: 10, endOnFailure: true },
  )
})

test('a host that is none finds no route, nor does one that names a cluster', { skip: envoyAbsent }, async (t) => {
  const { client, serve } = await scene(t)
  await serve([
    { host: 'h', path: '/x' },
    { host: '*.h', path: '' },
  ])
  for (const host of ['', '.', ':80', 'pub/h', 'h/x', 'int/h', 'ads', 'x', '[::1]:80'])
    t.match((await client.ask('/x', host)).status, /^40[04]$/, host)
  t.equal((await client.ask('/x', 'h')).status, 200)
})
