import { test } from 'tap'
import * as fc from 'fast-check'
import type { Resource } from '../../src/mesh/istio/types.ts'
import type { Change } from '../../src/mesh/records.ts'
import { spellings } from '../../src/mesh/rules/hosts.ts'
import { name } from '../../src/mesh/rules/names.ts'
import { Model } from '../../src/pilot/model/model.ts'
import { destination, resource, route, someChange } from './records.ts'

const kinds: Resource['kind'][] = ['VirtualService', 'DestinationRule', 'Gateway', 'RateLimit']

const written = fc.constantFrom('h', 'G', 'one', 'Two.dev', 'one.space', 'h.dev.org', 'two.words', '*', '*.f', '*.test')
const someGateway = written.map((host) =>
  resource('Gateway', 'gw', { servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: [`dev/${host}`] }] }),
)
const someLimit = written.map((host) => resource('RateLimit', 'limit', { hosts: [host] } as never))
const someService = written.map((host) => resource('VirtualService', 'vs', { hosts: [host] }))
const someRule = written.map((host) => resource('DestinationRule', 'dr', { host }))
const someApp = fc
  .tuple(fc.constantFrom('a', 'b'), fc.constantFrom('One', 'two.words', 'h'), fc.constantFrom('Two', 'x', undefined))
  .map(([key, called, label]): Change => ({
    kind: 'app',
    key,
    value: { name: called, space: 'space', labels: label === undefined ? {} : { app: label }, annotations: {} },
  }))
const someRoute = fc.tuple(fc.constantFrom('h', 'g.test', '*.f', 'x.f'), fc.subarray(['a', 'b'])).map(([host, apps]) =>
  route(
    host,
    apps.map((app) => destination([], { app })),
  ),
)

test('a route that any resource names in any way is never taken for one that none does', (t) => {
  let [named, unnamed] = [0, 0]
  fc.assert(
    fc.property(
      fc.array(fc.oneof(someChange, someGateway, someLimit, someService, someRule, someApp, someRoute), { maxLength: 30 }),
      (changes) => {
        const model = new Model()
        model.apply(changes)
        for (const one of model.all('route').values()) {
          for (const kind of kinds) {
            const isNamed = spellings(model, one).some((alike) =>
              alike.some((host) => [...model.keysOf(name.resources(kind, host))].length > 0),
            )
            if (isNamed) t.ok(model.mayName(kind, one), `${kind} for ${one.host}`)
            if (isNamed) named++
            else if (!model.mayName(kind, one)) unnamed++
          }
        }
      },
    ),
    { numRuns: 300 },
  )
  t.ok(named > 50, 'some are named')
  t.ok(unnamed > 50, 'some are known not to be')
  t.end()
})

test('once the last resource that names it is gone, a route is named by none', (t) => {
  const model = new Model()
  const { value: api } = route('api.test', [])
  for (const host of ['api.test', '*.test']) {
    const first = resource('VirtualService', 'first', { hosts: [host] })
    const second = resource('VirtualService', 'second', { hosts: [host] })
    model.apply([first, second, { ...first, value: null }])
    t.ok(model.mayName('VirtualService', api!), host)
    t.notOk(model.mayName('Gateway', api!), 'by another kind')
    model.apply([{ ...second, value: null }])
    t.notOk(model.mayName('VirtualService', api!), host)
  }
  t.end()
})
