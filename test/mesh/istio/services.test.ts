import * as fc from 'fast-check'
import { test } from 'tap'
import { reach } from '../../../src/mesh/istio/ownership.ts'
import type { Platform } from '../../../src/mesh/istio/platform.ts'
import { isClusterName, namesOfRoute, resolveService, selects } from '../../../src/mesh/istio/services.ts'
import type { ServiceEntry } from '../../../src/mesh/istio/types.ts'
import { routeKey, type App, type Exposure, type Route } from '../../../src/mesh/records.ts'

interface World {
  apps: Record<string, App>
  routes: Route[]
  spaces: Record<string, { name: string; organization: string }>
  entries: ServiceEntry[]
}

function platformOf({ apps, routes, spaces, entries }: World): Platform {
  return {
    routesOfHost: (host) => routes.filter((route) => route.host === host),
    routesBeneath: (wildcard) => routes.filter(({ host }) => wildcard === '*' || host === wildcard || host.endsWith(wildcard.slice(1))),
    routesOfApp: (guid) => routes.filter(({ destinations }) => destinations.some(({ app }) => app === guid)),
    app: (guid) => apps[guid],
    appsCalled: (space, name) =>
      Object.entries(apps).filter(
        ([, app]) => app.space === space && [app.name, app.labels['app']].some((called) => called?.toLowerCase() === name),
      ),
    space: (guid) => spaces[guid],
    spacesNamed: (name, organization) =>
      Object.entries(spaces).flatMap(([guid, space]) =>
        space.name.toLowerCase() === name && (organization === undefined || space.organization.toLowerCase() === organization)
          ? [guid]
          : [],
      ),
    serviceEntries: (host) => entries.filter(({ spec }) => spec.hosts.includes(host)),
  }
}

const app = (name: string, labels: Record<string, string> = {}, space = 'dev-guid'): App => ({ name, space, labels, annotations: {} })
const route = (
  host: string,
  apps: string[],
  { space = 'dev-guid', exposure = 'pub' }: { space?: string; exposure?: Exposure } = {},
): Route => ({
  host,
  path: '',
  exposure,
  space,
  labels: {},
  options: {},
  destinations: apps.map((guid) => ({ app: guid, type: 'web', port: 8080, protocol: 'http1', processes: [] })),
})
const entry = (namespace: string, host: string, createdAt = '2026-01-01'): ServiceEntry => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name: `${namespace}-${createdAt}`, namespace, labels: {}, annotations: {}, generation: 1, createdAt },
  spec: { hosts: [host] },
})

const world: World = {
  spaces: {
    'dev-guid': { name: 'Dev', organization: 'acme' },
    'prod-guid': { name: 'prod', organization: 'acme' },
    'dev-too': { name: 'dev', organization: 'other' },
  },
  apps: {
    v1: app('reviews-v1', { app: 'reviews', version: 'v1' }),
    v2: app('reviews-v2', { app: 'reviews', version: 'v2' }),
    old: app('reviews'),
    shop: app('Shop'),
    far: app('reviews', {}, 'prod-guid'),
    other: app('shop', {}, 'dev-too'),
  },
  routes: [
    route('bookinfo.test', ['v1', 'v2']),
    route('reviews.test', ['old']),
    route('mixed.test', ['v1', 'shop']),
    route('shop.test', ['shop']),
    route('far.test', ['far'], { space: 'prod-guid' }),
    route('far.internal', ['far'], { space: 'prod-guid', exposure: 'int' }),
    route('shared.test', ['shop'], { space: 'prod-guid' }),
  ],
  entries: [
    entry('dev-guid', 'api.test', '2026-03-01'),
    entry('mesh-system', 'api.test'),
    entry('prod-guid', 'api.test'),
    entry('prod-guid', 'theirs.test'),
  ],
}
const platform = platformOf(world)
const found = (host: string, namespace = 'dev-guid'): string => {
  const service = resolveService(host, namespace, platform)
  if (service?.kind === 'apps') return `${service.space}/${service.name}: ${service.apps.map(({ guid }) => guid).join(' ')}`
  return service?.kind === 'route' ? service.routes.map(routeKey).join(' ') : `${service?.kind} ${service?.entry.metadata.namespace}`
}
const reached = (host: string, namespace = 'dev-guid'): string => {
  const { routes, foreign } = reach(host, namespace, platform)
  return foreign ?? routes.map((one) => one.host).join(' ')
}

test('a service is a route’s host, a host of a ServiceEntry, the apps of the label, or the app of the name', (t) => {
  t.equal(found('Shop.Test.'), 'pub/shop.test')
  t.equal(found('api.test'), 'external dev-guid', "a space's own entry comes before the operator's, though it is younger")
  t.equal(found('api.test', 'dev-too'), 'external mesh-system')
  t.equal(found('theirs.test'), 'undefined undefined', "another space's entry is not seen")
  t.equal(found('reviews'), 'dev-guid/reviews: v1 v2', 'the label wins over the app of that name')
  t.equal(found('shop'), 'dev-guid/shop: shop', 'by name, in whatever letters')
  t.equal(found('reviews', 'prod-guid'), 'prod-guid/reviews: far')
  t.equal(found('nothing'), 'undefined undefined')
  t.end()
})

test('a service of apps is written with its space and organization, or as in Kubernetes', (t) => {
  for (const host of [
    'reviews.dev',
    'REVIEWS.Dev',
    'reviews.dev.acme',
    'reviews.dev-guid',
    'reviews.dev.svc',
    'reviews.dev.svc.cluster.local',
  ]) {
    t.equal(found(host), 'dev-guid/reviews: v1 v2', host)
    t.equal(isClusterName(host), host.includes('.svc'))
  }
  t.equal(found('reviews.dev.other'), 'undefined undefined')
  t.equal(found('reviews.prod'), 'undefined undefined', 'apps of another space are not asked past their routes')
  t.equal(found('reviews.prod', 'mesh-system'), 'prod-guid/reviews: far', 'but by the operator')
  t.equal(found('shop.dev.other', 'mesh-system'), 'dev-too/shop: other')
  t.equal(found('reviews', 'mesh-system'), 'undefined undefined', 'who has to say the space')
  t.end()
})

test('public routes of another space may be sent to, internal ones may not', (t) => {
  t.equal(found('far.test'), 'pub/far.test')
  t.equal(found('far.internal'), 'undefined undefined')
  t.equal(found('far.internal', 'prod-guid'), 'int/far.internal')
  t.equal(found('far.internal', 'mesh-system'), 'int/far.internal')
  t.end()
})

test('a rule shapes routes that its space owns and that send to the service alone', (t) => {
  t.equal(reached('reviews'), 'bookinfo.test', 'neither mixed.test, nor that of the app which only has the name')
  t.equal(reached('reviews.dev.svc.cluster.local'), 'bookinfo.test')
  t.equal(reached('shop'), 'shop.test', 'not the route of another space that the app is shared with')
  t.equal(reached('reviews.prod'), '')
  t.equal(reached('reviews.prod', 'mesh-system'), 'far.test far.internal')
  t.equal(reached('far.test'), 'prod-guid', "another space's")
  t.equal(reached('*.test'), 'bookinfo.test reviews.test mixed.test shop.test')
  t.equal(reached('*', 'prod-guid'), 'far.test far.internal shared.test')
  t.end()
})

test('a subset is the apps that have all of its labels', (t) => {
  t.ok(selects({ version: 'v1' }, world.apps['v1']!))
  t.ok(selects(undefined, world.apps['old']!))
  t.notOk(selects({ version: 'v1', app: 'other' }, world.apps['v1']!))
  t.end()
})

test('the names of a route are those by which it is reached, in any world', (t) => {
  const name = fc.constantFrom('a', 'B', 'c')
  const space = fc.constantFrom('s1', 's2', 's3')
  const someApp = fc
    .record({ name, label: fc.option(name), space })
    .map(({ name, label, space }) => app(name, label === null ? {} : { app: label }, space))
  const someRoute = fc.record({ apps: fc.uniqueArray(fc.constantFrom('0', '1', '2', '3'), { maxLength: 2 }), space })
  const someWorld = fc
    .tuple(fc.array(someApp, { minLength: 4, maxLength: 4 }), fc.array(someRoute, { maxLength: 3 }))
    .map(([apps, routes]): World => ({
      apps: Object.fromEntries(apps.entries()),
      routes: routes.map(({ apps, space }, position) => route(`r${position}.test`, apps, { space })),
      spaces: { s1: { name: 'One', organization: 'x' }, s2: { name: 'one', organization: 'y' }, s3: { name: 'three', organization: 'x' } },
      entries: [],
    }))
  const written = ['a', 'b', 'c'].flatMap((service) =>
    ['', '.one', '.three', '.one.x', '.one.y', '.s1', '.one.svc', '.three.svc.cluster.local'].map((rest) => service + rest),
  )
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(someWorld, (world) => {
        const platform = platformOf(world)
        for (const route of world.routes) {
          const names = namesOfRoute(route, platform)
          for (const host of written) {
            for (const namespace of host.includes('.') ? [route.space, 'mesh-system'] : [route.space]) {
              if (reach(host, namespace, platform).routes.includes(route) !== names.includes(host)) return false
            }
          }
        }
        return true
      }),
      { numRuns: 500 },
    ),
  )
  t.end()
})
