import { fromBinary } from '@bufbuild/protobuf'
import { test } from 'tap'
import { RouteConfigurationSchema } from '../../src/common/proto/gen/envoy/config/route/v3/route_pb.js'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { typeUrls, type Resource } from '../../src/common/xds/resources.ts'
import type { Change } from '../../src/mesh/records.ts'
import { RouteIsolation } from '../../src/pilot/ads/isolation.ts'
import { ResourceStatus } from '../../src/pilot/ads/resource-status.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { resource, route } from './records.ts'
import { settingsOf } from './rig.ts'

const hosts = ['a.test', 'b.test', 'c.test', 'd.test', 'e.test']
const rule = (host: string, status: number): Change => resource('VirtualService', host, { hosts: [host], http: [{ directResponse: { status } }] })

/** The statuses that a route configuration answers, by host. */
function answersOf({ any }: Resource): Record<string, number> {
  const { virtualHosts } = fromBinary(RouteConfigurationSchema, any.value)
  return Object.fromEntries(virtualHosts.flatMap(({ name, routes }) => routes.flatMap(({ action }) => (action.case === 'directResponse' ? [[name, action.value.status]] : []))))
}

/** A router that refuses what answers 599, and a pilot that gives it what it is to have. */
function pair() {
  const translator = new Translator(settingsOf())
  const cache = new ResourceCache()
  let stale = false
  const isolation = new RouteIsolation({ rules: translator.rules, cache, refresh: () => (stale = true) })
  let answers: Record<string, number> = {}
  let sent = 0
  const deliver = (): void => {
    for (let last = ''; ; ) {
      stale = false
      const offered = isolation.resourcesFor('r').find(({ name }) => name === 'pub') ?? cache.get(typeUrls.route, 'pub')!
      if (offered.version !== last) {
        last = offered.version
        sent++
        const asked = answersOf(offered)
        if (Object.values(asked).includes(599)) isolation.refused('r', [{ typeUrl: typeUrls.route, name: 'pub', version: offered.version, reason: '599 is no status' }])
        else {
          answers = asked
          isolation.acknowledged('r', [offered])
        }
      }
      if (!stale) return
    }
  }
  const publish = (...changes: Change[]): void => {
    cache.apply(translator.apply(changes))
    isolation.published()
  }
  cache.apply({ changed: translator.constants, removed: [] })
  const status = new ResourceStatus({ translator, isolation, ads: { epoch: 1, answered: () => 1, routers: () => [] } })
  return { publish, deliver, answers: () => answers, sent: () => sent, refused: () => isolation.refusals().map(({ host }) => host).sort(), isolation, status, apply: (...changes: Change[]) => (publish(...changes), deliver()) }
}

test('rules that a router refuses stay as it had them, and hold up no others', (t) => {
  const { apply, answers, refused, status, isolation } = pair()
  const world = [...hosts.map((host) => route(host, [])), ...hosts.map((host) => rule(host, 200))]
  apply(...world)
  status.published(world)
  t.same(answers(), { 'a.test': 200, 'b.test': 200, 'c.test': 200, 'd.test': 200, 'e.test': 200 })
  apply(rule('b.test', 599))
  t.same(answers()['b.test'], 200)
  t.same(refused(), ['b.test'])
  t.match(status.all(), { 'virtualservice/space/b.test': { programmed: false, degraded: /router r refuses the rules of b.test.*599 is no status/ }, 'virtualservice/space/a.test': { programmed: true, degraded: undefined } })
  apply(rule('a.test', 201))
  t.same(answers(), { 'a.test': 201, 'b.test': 200, 'c.test': 200, 'd.test': 200, 'e.test': 200 }, 'another host’s change gets through')
  apply(rule('b.test', 202))
  t.same(answers()['b.test'], 202)
  t.same(refused(), [])
  t.same(isolation.resourcesFor('r'), [], 'and the router has what everybody has')
  t.end()
})

test('of many that changed together the culprits are found, old and new', (t) => {
  const { apply, answers, refused, sent } = pair()
  apply(...hosts.map((host) => route(host, [])), ...hosts.slice(0, 3).map((host) => rule(host, 200)))
  const before = sent()
  apply(rule('a.test', 201), rule('b.test', 599), rule('d.test', 204), rule('e.test', 599))
  t.same(answers(), { 'a.test': 201, 'b.test': 200, 'c.test': 200, 'd.test': 204 }, 'one that never was accepted is left out')
  t.same(refused(), ['b.test', 'e.test'])
  t.ok(sent() - before <= 8, `${sent() - before} sent`)
  apply({ kind: 'resource', key: 'virtualservice/space/e.test', value: null })
  t.same(refused(), ['b.test'])
  t.end()
})

test('what a router took last is not guessed', (t) => {
  const { apply, refused, isolation } = pair()
  apply(...hosts.map((host) => route(host, [])), rule('a.test', 200), rule('b.test', 599))
  t.same([refused(), isolation.resourcesFor('r')], [[], []])
  apply(rule('b.test', 200))
  apply(rule('b.test', 599))
  t.same(refused(), ['b.test'])
  t.end()
})

test('rules that change again while their refusal is looked into are tried as they are now', (t) => {
  const { publish, deliver, answers, refused, apply } = pair()
  apply(...hosts.map((host) => route(host, [])), ...hosts.map((host) => rule(host, 200)))
  publish(rule('a.test', 599), rule('b.test', 201))
  publish(rule('a.test', 203))
  deliver()
  t.same([answers()['a.test'], answers()['b.test'], refused()], [203, 201, []])
  t.end()
})
