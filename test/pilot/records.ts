import * as fc from 'fast-check'
import type { Resource } from '../../src/mesh/istio/types.ts'
import { resourceKey, routeKey, type Change, type Destination, type Instance, type Route } from '../../src/mesh/records.ts'
import type { Follower } from '../../src/pilot/copilot-client.ts'
import { stickyLabel } from '../../src/pilot/translate/sticky-sessions.ts'

export const process = (key: string, instances: number, app = 'app'): Change => ({
  kind: 'process',
  key,
  value: { app, type: 'web', instances },
})

export const instance = (key: string, given: Partial<Instance> = {}): Change => ({
  kind: 'instance',
  key,
  value: { process: 'p', index: 0, address: '10.0.0.1', ports: [{ app: 8080, plain: 0, tls: 61001 }], zone: 'z1', since: '1', ...given },
})

export const destination = (processes: string[], given: Partial<Destination> = {}): Destination => ({
  app: 'app',
  type: 'web',
  port: 8080,
  protocol: 'http1',
  processes,
  ...given,
})

export function route(host: string, destinations: Destination[], given: Partial<Route> = {}): Change & { kind: 'route' } {
  const value: Route = { host, path: '', exposure: 'pub', space: 'space', labels: {}, options: {}, destinations, ...given }
  return { kind: 'route', key: routeKey(value), value }
}

/** An accepted resource of a space. */
export function resource<K extends Resource['kind']>(
  kind: K,
  name: string,
  spec: Extract<Resource, { kind: K }>['spec'],
  namespace = 'space',
): Change & { kind: 'resource' } {
  const value = {
    apiVersion: kind === 'RateLimit' ? 'mesh.cloudfoundry.org/v1' : 'networking.istio.io/v1',
    kind,
    metadata: { name, namespace, labels: {}, annotations: {}, generation: 1, createdAt: '2026-01-01T00:00:00Z' },
    spec,
  } as Resource
  return { kind: 'resource', key: resourceKey(value), value }
}

/** Tells all records, as a snapshot of copilot's does. */
export async function replace(follower: Follower, records: Change[]): Promise<void> {
  follower.begin()
  await follower.read(records)
  await follower.finish([])
}

const removal = ({ kind, key }: Change): Change => ({ kind, key, value: null })

const processName = fc.constantFrom('p', 'q', 'r', 's')
const someProcess = fc.tuple(processName, fc.nat(3)).map(([key, instances]) => process(key, instances))
const someInstance = fc
  .record({ guid: fc.constantFrom('i', 'j', 'k', 'l', 'm'), process: processName, index: fc.nat(3), host: fc.nat(2), since: fc.nat(3) })
  .map(({ guid, process, index, host, since }) => instance(guid, { process, index, address: `10.0.0.${host}`, since: String(since) }))
const someDestination = fc
  .record({
    app: fc.constantFrom('a', 'b'),
    weight: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
    processes: fc.uniqueArray(processName, { maxLength: 2 }),
  })
  .map(({ processes, ...given }) => destination(processes, given))
const someRoute = fc
  .tuple(fc.constantFrom('h', 'g', '*.f'), fc.constantFrom('', '/x'), fc.array(someDestination, { maxLength: 3 }))
  .map(([host, path, destinations]) => route(host, destinations, { path }))
const ruledHost = fc.constantFrom('h', 'g', '*.f', '*', 'api.test', 'one')
const someDestinationOfRules = fc
  .tuple(fc.constantFrom('h', 'g', 'one', 'api.test', 'nobody'), fc.constantFrom(undefined, 'v1', 'v2'))
  .map(([host, subset]) => ({ host, ...(subset && { subset }) }))
const someNamespace = fc.constantFrom('space', 'mesh-system')
const someVirtualService = fc
  .tuple(fc.constantFrom('vs1', 'vs2'), ruledHost, fc.array(someDestinationOfRules, { minLength: 1, maxLength: 2 }), someNamespace)
  .map(([name, host, destinations, namespace]) =>
    resource(
      'VirtualService',
      name,
      { hosts: [host], http: [{ route: destinations.map((destination) => ({ destination, weight: 1 })) }] },
      namespace,
    ),
  )
const someDestinationRule = fc
  .tuple(fc.constantFrom('dr1', 'dr2'), ruledHost, fc.constantFrom('1', '2'), fc.nat(5), someNamespace)
  .map(([name, host, version, maxConnections, namespace]) =>
    resource(
      'DestinationRule',
      name,
      { host, trafficPolicy: { connectionPool: { tcp: { maxConnections } } }, subsets: [{ name: `v${version}`, labels: { version } }] },
      namespace,
    ),
  )
const someServiceEntry = fc.tuple(fc.constantFrom('se1', 'se2'), fc.constantFrom('192.0.2.1', '192.0.2.2')).map(([name, address]) =>
  resource('ServiceEntry', name, {
    hosts: ['api.test'],
    resolution: 'STATIC',
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    endpoints: [{ address }],
  }),
)
const someApp = fc
  .tuple(fc.constantFrom('a', 'b'), fc.constantFrom('one', 'h'), fc.constantFrom('1', '2'), fc.constantFrom('true', 'false'))
  .map(([key, name, version, sticky]): Change => ({
    kind: 'app',
    key,
    value: { name, space: 'space', labels: { version }, annotations: { [stickyLabel]: sticky } },
  }))
const someOther = fc.constantFrom<Change>(
  { kind: 'space', key: 'space', value: { name: 'dev', organization: 'o' } },
  { kind: 'organization', key: 'o', value: { name: 'org' } },
)

/** Any change of a small world, so that records often meet. */
export const someChange: fc.Arbitrary<Change> = fc
  .tuple(
    fc.oneof(
      someProcess,
      someInstance,
      someInstance,
      someRoute,
      someRoute,
      someOther,
      someApp,
      someVirtualService,
      someDestinationRule,
      someServiceEntry,
    ),
    fc.integer({ min: 0, max: 3 }),
  )
  .map(([change, dice]) => (dice === 0 ? removal(change) : change))
