import { test } from 'tap'
import { fromBinary } from '@bufbuild/protobuf'
import { RouteConfigurationSchema, type RouteConfiguration } from '../../src/common/proto/gen/envoy/config/route/v3/route_pb.js'
import { typeUrls } from '../../src/common/xds/resources.ts'
import type { Change } from '../../src/mesh/records.ts'
import { mostSearched } from '../../src/pilot/translate/route-configuration.ts'
import { stickyLabel } from '../../src/pilot/translate/sticky-sessions.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { destination, resource, route } from './records.ts'
import { settingsOf } from './rig.ts'

/** A translator, how often it made public routes anew, and what they are. */
function translation() {
  const translator = new Translator(settingsOf())
  let made = 0
  const configuration = (): RouteConfiguration =>
    fromBinary(RouteConfigurationSchema, translator.rules.configurations.find(({ name }) => name === 'pub')!.any.value)
  return {
    apply: (...changes: Change[]): void => {
      made += translator.apply(changes).changed.filter(({ typeUrl, name }) => typeUrl === typeUrls.route && name === 'pub').length
    },
    made: () => made,
    /** Hosts that are searched for, each once. */
    searched: (): string[] | undefined =>
      configuration()
        .virtualHosts.find(({ name }) => name === 'platform/searched')
        ?.domains.filter((domain) => !domain.endsWith('.')),
    /** Whether hosts that stand nowhere by name are found by it alone. */
    simple: (): boolean =>
      configuration()
        .virtualHosts.find(({ domains }) => domains.includes('*'))!
        .routes.some(({ action }) => action.case === 'route' && action.value.clusterSpecifier.case === 'clusterHeader'),
    domains: (): Record<string, string[]> => Object.fromEntries(configuration().virtualHosts.map((host) => [host.name, host.domains])),
  }
}

const toApp = destination([], { app: 'a' })
const gone = ({ kind, key }: Change): Change => ({ kind, key, value: null })
const app = (sticky: string): Change => ({
  kind: 'app',
  key: 'a',
  value: { name: 'a', space: 'space', labels: { [stickyLabel]: sticky }, annotations: {} },
})

test('a host is searched for while it is a wildcard, has a route with a path, or one whose sessions stick', (t) => {
  const { apply, made, searched } = translation()
  apply(route('h', [toApp]), route('int.h', [toApp], { exposure: 'int', path: '/x' }))
  t.same([searched(), made()], [undefined, 0], 'none of a public route configuration’s business')
  const withPath = route('h', [toApp], { path: '/x' })
  apply(withPath)
  t.same(searched(), ['h'])
  apply(route('h', [toApp], { path: '/y' }))
  t.equal(made(), 1, 'nor is another path')
  apply(gone(withPath), gone(route('h', [toApp], { path: '/y' })))
  t.equal(searched(), undefined)
  apply(route('*.f', [toApp]))
  t.same(searched(), ['*.f'])
  apply(app('true'))
  t.same(searched(), ['*.f', 'h'])
  apply(app('false'), gone(route('*.f', [toApp])))
  t.equal(searched(), undefined)
  t.end()
})

test('a host with rules stands there for them alone, one beneath a wildcard with rules still wins over it', (t) => {
  const { apply, domains } = translation()
  const teapot = { http: [{ directResponse: { status: 418 } }] }
  apply(
    route('h', [toApp], { path: '/x' }),
    route('*.f', [toApp]),
    route('a.f', [toApp], { space: 'another' }),
    route('b.f', [toApp], { space: 'another', path: '/x' }),
    resource('VirtualService', 'h', { hosts: ['h'], ...teapot }),
    resource('VirtualService', 'f', { hosts: ['*.f'], ...teapot }),
  )
  t.same(domains(), {
    '*.f': ['*.f', '*.f.'],
    h: ['h', 'h.'],
    platform: ['*', 'a.f', 'a.f.'],
    'platform/searched': ['b.f', 'b.f.'],
  })
  t.end()
})

test('a host that goes as a wildcard gets rules is no longer named', (t) => {
  const { apply, searched } = translation()
  const withPath = route('h', [toApp], { path: '/x' })
  apply(withPath, route('*.f', [toApp]))
  apply(gone(withPath), resource('VirtualService', 'f', { hosts: ['*.f'], http: [{ directResponse: { status: 418 } }] }))
  t.equal(searched(), undefined)
  t.end()
})

test('where too many hosts are not simple, all are searched for, and one more changes nothing', (t) => {
  const { apply, made, searched, simple } = translation()
  const withPath = (n: number): Change => route(`h${n}`, [toApp], { path: '/x' })
  apply(...Array.from({ length: mostSearched }, (_value, n) => withPath(n)))
  t.equal(searched()?.length, mostSearched)
  t.ok(simple())
  apply(withPath(mostSearched))
  t.equal(searched(), undefined)
  t.notOk(simple())
  const before = made()
  apply(withPath(mostSearched + 1), withPath(mostSearched + 2), gone(withPath(0)))
  t.equal(made(), before)
  apply(gone(withPath(1)), gone(withPath(2)))
  t.equal(searched()?.length, mostSearched)
  t.ok(simple())
  t.end()
})
