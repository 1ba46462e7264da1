import { routeKey, type Change, type Route } from '../../src/mesh/records.ts'

type Upsert<K extends Change['kind']> = Extract<Change, { kind: K }>

export const organization = (guid: string, name = guid): Upsert<'organization'> => ({ kind: 'organization', key: guid, value: { name } })
export const space = (guid: string, org = 'org', name = guid): Upsert<'space'> => ({
  kind: 'space',
  key: guid,
  value: { name, organization: org },
})
export const app = (guid: string, inSpace = 'space', name = guid, labels: Record<string, string> = {}): Upsert<'app'> => ({
  kind: 'app',
  key: guid,
  value: { name, space: inSpace, labels, annotations: {} },
})
export const process = (guid: string, ofApp: string, instances = 1): Upsert<'process'> => ({
  kind: 'process',
  key: guid,
  value: { app: ofApp, type: 'web', instances },
})
export const instance = (guid: string, ofProcess: string, index = 0, address = '10.0.0.1'): Upsert<'instance'> => ({
  kind: 'instance',
  key: guid,
  value: {
    process: ofProcess,
    index,
    address,
    ports: [{ app: 8080, plain: 61000 + index, tls: 62000 + index }],
    zone: 'z1',
    since: '1700000000000000000',
  },
})
export const route = (host: string, ofApp: string, processes: string[], more: Partial<Route> = {}): Upsert<'route'> => {
  const value: Route = {
    host,
    path: '',
    exposure: 'pub',
    space: 'space',
    labels: {},
    options: {},
    destinations: [{ app: ofApp, type: 'web', port: 8080, protocol: 'http1', processes }],
    ...more,
  }
  return { kind: 'route', key: routeKey(value), value }
}

/** An app `hello` with a route and two instances, whole. */
export const hello = [
  organization('org', 'acme'),
  space('space', 'org', 'dev'),
  app('hello-guid', 'space', 'hello', { version: 'v1' }),
  process('hello-p', 'hello-guid', 2),
  instance('i-0', 'hello-p', 0),
  instance('i-1', 'hello-p', 1),
  route('hello.mesh.test', 'hello-guid', ['hello-p']),
]
