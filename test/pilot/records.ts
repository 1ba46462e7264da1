import * as fc from 'fast-check'
import { routeKey, type Change, type Destination, type Instance, type Route } from '../../src/mesh/records.ts'

export const process = (key: string, instances: number, app = 'app'): Change => ({ kind: 'process', key, value: { app, type: 'web', instances } })

export const instance = (key: string, given: Partial<Instance> = {}): Change => ({
  kind: 'instance',
  key,
  value: { process: 'p', index: 0, address: '10.0.0.1', ports: [{ app: 8080, plain: 0, tls: 61001 }], zone: 'z1', since: '1', ...given },
})

export const destination = (processes: string[], given: Partial<Destination> = {}): Destination => ({ app: 'app', type: 'web', port: 8080, protocol: 'http1', processes, ...given })

export function route(host: string, destinations: Destination[], given: Partial<Route> = {}): Change & { kind: 'route' } {
  const value: Route = { host, path: '', exposure: 'pub', space: 'space', labels: {}, options: {}, destinations, ...given }
  return { kind: 'route', key: routeKey(value), value }
}

const removal = ({ kind, key }: Change): Change => ({ kind, key, value: null })

const processName = fc.constantFrom('p', 'q', 'r', 's')
const someProcess = fc.tuple(processName, fc.nat(3)).map(([key, instances]) => process(key, instances))
const someInstance = fc
  .record({ guid: fc.constantFrom('i', 'j', 'k', 'l', 'm'), process: processName, index: fc.nat(3), host: fc.nat(2), since: fc.nat(3) })
  .map(({ guid, process, index, host, since }) => instance(guid, { process, index, address: `10.0.0.${host}`, since: String(since) }))
const someDestination = fc
  .record({ app: fc.constantFrom('a', 'b'), weight: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }), processes: fc.uniqueArray(processName, { maxLength: 2 }) })
  .map(({ processes, ...given }) => destination(processes, given))
const someRoute = fc
  .tuple(fc.constantFrom('h', 'g', '*.f'), fc.constantFrom('', '/x'), fc.array(someDestination, { maxLength: 3 }))
  .map(([host, path, destinations]) => route(host, destinations, { path }))
const someOther = fc.constantFrom<Change>(
  { kind: 'app', key: 'a', value: { name: 'one', space: 'space', labels: {}, annotations: {} } },
  { kind: 'space', key: 'space', value: { name: 'dev', organization: 'o' } },
  { kind: 'organization', key: 'o', value: { name: 'org' } },
)

/** Any change of a small world, so that records often meet. */
export const someChange: fc.Arbitrary<Change> = fc
  .tuple(fc.oneof(someProcess, someInstance, someInstance, someRoute, someRoute, someOther), fc.integer({ min: 0, max: 3 }))
  .map(([change, dice]) => (dice === 0 ? removal(change) : change))
