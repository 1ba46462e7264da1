import { fromBinary } from '@bufbuild/protobuf'
import { test } from 'tap'
import { RouteConfigurationSchema } from '../../src/common/proto/gen/envoy/config/route/v3/route_pb.js'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { typeUrls, type Resource } from '../../src/common/xds/resources.ts'
import type { ClientStatus } from '../../src/common/xds/server.ts'
import type { Change } from '../../src/mesh/records.ts'
import { RouteIsolation } from '../../src/pilot/ads/isolation.ts'
import { ResourceStatus } from '../../src/pilot/ads/resource-status.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { resource, route } from './records.ts'
import { settingsOf } from './rig.ts'

const hosts = ['a.test', 'b.test', 'c.test', 'd.test', 'e.test']
const rule = (host: string, status: number): Change =>
  resource('VirtualService', host, { hosts: [host], http: [{ directResponse: { status } }] })

/** The statuses that a route configuration answers, by host. */
const answersOf = ({ any }: Resource): Record<string, number> => answersIn(any.value)

function answersIn(configuration: Uint8Array): Record<string, number> {
  const { virtualHosts } = fromBinary(RouteConfigurationSchema, configuration)
  return Object.fromEntries(
    virtualHosts.flatMap(({ name, routes }) =>
      routes.flatMap(({ action }) => (action.case === 'directResponse' ? [[name, action.value.status]] : [])),
    ),
  )
}

const pub = (version: string) => ({ typeUrl: typeUrls.route, name: 'pub', version, reason: '599 is no status' })

/**
 * A router that refuses what answers 599, and a pilot that gives it what it is to have. `holds` is what it had before, of which it tells at
 * its first refusal.
 */
function pair({ holds }: { holds?: Uint8Array } = {}) {
  const translator = new Translator(settingsOf())
  const cache = new ResourceCache()
  let stale = false
  const routers: ClientStatus[] = [{ name: 'r', address: '', connectedSince: '', lag: 0, types: {}, refused: [] }]
  const isolation = new RouteIsolation({ rules: translator.rules, refresh: () => (stale = true) })
  let answers: Record<string, number> = holds ? answersIn(holds) : {}
  let held = holds && new Map([['pub', holds]])
  let has = holds
  let sent = 0
  const deliver = (): void => {
    for (let last = ''; ;) {
      stale = false
      const offered = isolation.resourcesFor('r').find(({ name }) => name === 'pub') ?? cache.get(typeUrls.route, 'pub')!
      if (offered.version !== last) {
        last = offered.version
        sent++
        const asked = answersOf(offered)
        if (Object.values(asked).includes(599)) {
          isolation.refused('r', [pub(offered.version)], held)
          held = undefined
        } else {
          answers = asked
          has = offered.any.value
          isolation.acknowledged('r', [offered])
        }
      }
      if (!stale) return
    }
  }
  const publish = (...changes: Change[]): void => {
    const update = translator.apply(changes)
    cache.apply(update)
    isolation.published(update.changed)
  }
  cache.apply({ changed: translator.constants, removed: [] })
  const status = new ResourceStatus({
    translator,
    isolation,
    ads: { epoch: 1, answered: () => 1, routers: () => routers, labels: () => [] },
  })
  return {
    publish,
    deliver,
    routers,
    has: () => has,
    answers: () => answers,
    sent: () => sent,
    refused: () =>
      isolation
        .refusals()
        .map(({ host }) => host)
        .sort(),
    isolation,
    status,
    apply: (...changes: Change[]) => (publish(...changes), deliver()),
  }
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
  t.match(status.all(), {
    'virtualservice/space/b.test': { programmed: false, degraded: /router r refuses the rules of b.test.*599 is no status/ },
    'virtualservice/space/a.test': { programmed: true, degraded: undefined },
  })
  apply(rule('a.test', 201))
  t.same(answers(), { 'a.test': 201, 'b.test': 200, 'c.test': 200, 'd.test': 200, 'e.test': 200 }, 'another host’s change gets through')
  apply(rule('b.test', 202))
  t.same(answers()['b.test'], 202)
  t.same(refused(), [])
  t.same(isolation.resourcesFor('r'), [], 'and the router has what everybody has')
  t.end()
})

test('a router that is gone degrades nothing', (t) => {
  const { apply, status, routers } = pair()
  const world = [...hosts.map((host) => route(host, [])), rule('b.test', 200)]
  apply(...world)
  status.published(world)
  apply(rule('b.test', 599))
  t.match(status.all(), { 'virtualservice/space/b.test': { degraded: /router r refuses/ } })
  routers.pop()
  t.match(status.changes(), { 'virtualservice/space/b.test': { degraded: undefined } })
  t.end()
})

test('rules that a router refuses before it took any are found, since it says that it has none', (t) => {
  const { apply, answers, refused } = pair({ holds: new Uint8Array() })
  apply(...hosts.map((host) => route(host, [])), rule('a.test', 200), rule('b.test', 599), rule('c.test', 200))
  t.same(answers(), { 'a.test': 200, 'c.test': 200 })
  t.same(refused(), ['b.test'])
  apply(rule('b.test', 201))
  t.same([answers()['b.test'], refused()], [201, []])
  t.end()
})

test('a pilot that begins anew takes no rules from a router that still refuses some', (t) => {
  const world = [...hosts.map((host) => route(host, [])), ...hosts.map((host) => rule(host, 200))]
  const before = pair()
  before.apply(...world)
  before.apply(rule('b.test', 599))
  const { apply, answers, refused } = pair({ holds: before.has()! })
  apply(...world, rule('a.test', 201), rule('b.test', 599))
  t.same(answers(), { 'a.test': 201, 'b.test': 200, 'c.test': 200, 'd.test': 200, 'e.test': 200 })
  t.same(refused(), ['b.test'])
  t.end()
})

test('the culprit is found too where much has changed since the router was sent what it refuses', (t) => {
  const { apply, publish, deliver, answers, refused, isolation } = pair()
  apply(...hosts.map((host) => route(host, [])), ...hosts.map((host) => rule(host, 200)))
  publish(rule('b.test', 599))
  for (let status = 300; status < 330; status++) publish(rule('a.test', status))
  isolation.refused('r', [pub('one of long ago')])
  deliver()
  t.same([answers()['a.test'], answers()['b.test'], refused()], [329, 200, ['b.test']])
  t.end()
})

test('where nobody can tell which rules a router refuses, all that wait for it say why', (t) => {
  const { apply, isolation, routers } = pair()
  const translator = new Translator(settingsOf())
  const status = new ResourceStatus({
    translator,
    isolation,
    ads: { epoch: 2, answered: () => 1, routers: () => routers, labels: () => [] },
  })
  const changes = [route('a.test', []), rule('a.test', 599)]
  translator.apply(changes)
  apply(...changes)
  status.published(changes)
  routers[0]!.refused.push(pub('1'))
  t.match(status.all(), {
    'virtualservice/space/a.test': { programmed: false, degraded: 'router r refuses route configuration pub as a whole: 599 is no status' },
  })
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
