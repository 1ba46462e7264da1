import { test } from 'tap'
import { Readable } from 'node:stream'
import type { Change, Route } from '../../src/mesh/records.ts'
import { seedFrom } from '../../src/route-syncer/cloud/seed.ts'
import { actual, desired, TestPlatform } from './support/platform.ts'

const guard = { share: 20, minimum: 3 }

/** Ten apps of a route and an instance each, known from both sources. */
async function full(): Promise<TestPlatform> {
  const platform = new TestPlatform({ guard })
  for (let n = 0; n < 10; n++) {
    platform.cc.app(`a${n}`)
    platform.cc.route({ guid: `r${n}`, url: `h${n}.mesh`, destinations: [{ app: `a${n}` }] })
    platform.desired.set(`p${n}`, desired({ process: `p${n}`, app: `a${n}`, hosts: [`h${n}.mesh`] }))
    platform.actual.set(`i${n}`, actual({ process: `p${n}`, guid: `i${n}` }))
  }
  await platform.readAll()
  await platform.readBbs()
  return platform
}

const counts = ({ published }: TestPlatform) => ({
  routes: published.count('route'),
  instances: published.count('instance'),
  apps: published.count('app'),
})

test('an empty list where there were many removes nothing, and is held', async (t) => {
  const platform = await full()
  const routes = [...platform.cc.resources.get('/v3/routes')!]
  platform.cc.resources.get('/v3/routes')!.clear()
  await platform.readAll()
  t.same(counts(platform), { routes: 10, instances: 10, apps: 10 })
  t.match(platform.guard.held, { source: 'cloud-controller', removes: { routes: 10 }, reason: /10 of 10 routes/ })
  const { id } = platform.guard.held!

  await platform.readAll()
  t.equal(platform.guard.held?.id, id, 'the same one')
  for (const [guid, route] of routes) platform.cc.resources.get('/v3/routes')!.set(guid, route)
  await platform.readAll()
  t.equal(platform.guard.held, undefined, 'the next read is right again')
  t.same(counts(platform), { routes: 10, instances: 10, apps: 10 })
})

test('routes that all lost their destinations at once are held as well, while additions get through', async (t) => {
  const platform = await full()
  for (let n = 0; n < 10; n++) platform.cc.route({ guid: `r${n}`, url: `h${n}.mesh` })
  platform.cc.route({ guid: 'new', url: 'new.mesh', destinations: [{ app: 'a0' }] })
  await platform.readAll()
  t.equal(platform.published.count('route'), 11)
  t.match(platform.guard.held, { removes: { routes: 10 } })
})

test('a removal of routes gets through once BBS agrees', async (t) => {
  const platform = await full()
  platform.cc.resources.get('/v3/routes')!.clear()
  await platform.readAll()
  t.ok(platform.guard.held)
  for (const lrp of platform.desired.values()) platform.hear({ kind: 'desired-removed', lrp })
  platform.guard.recheck()
  t.equal(platform.guard.held, undefined)
  t.equal(platform.published.count('route'), 0)
})

test('routes that were made anew under their names are no removal, neither those that copilot alone had kept', async (t) => {
  const platform = await full()
  for (let n = 0; n < 10; n++) {
    platform.cc.remove('/v3/routes', `r${n}`)
    platform.cc.route({ guid: `new${n}`, url: `h${n}.mesh`, destinations: [{ app: `a${n}` }] })
  }
  await platform.readAll()
  t.equal(platform.guard.held, undefined)
  t.equal(platform.published.get('route', 'pub/h0.mesh')?.guid, 'new0')
  t.same([...platform.model.cloud.routesOf('a0')], ['h0.mesh'], 'it is still found by its app')

  const records = [...platform.published.all()].map(({ kind, key, value }) => {
    const { guid: _guid, ...kept } = value as Route
    return { kind, key, value: kind === 'route' ? kept : value } as Change
  })
  const seeded = new TestPlatform({ guard })
  await seedFrom(Readable.from(records), seeded.model)
  for (const [path, resources] of platform.cc.resources) seeded.cc.resources.set(path, resources)
  for (const [guid, lrp] of platform.desired) seeded.desired.set(guid, lrp)
  await seeded.readBbs()
  t.equal(seeded.published.count('route'), 10)
  await seeded.readAll()
  t.equal(seeded.guard.held, undefined)
  t.equal(seeded.published.get('route', 'pub/h0.mesh')?.guid, 'new0')
})

test('few removals are never held', async (t) => {
  const platform = await full()
  for (const n of [0, 1]) {
    platform.cc.remove('/v3/routes', `r${n}`)
    platform.actual.delete(`i${n}`)
  }
  await platform.readAll()
  await platform.readBbs()
  t.equal(platform.guard.held, undefined)
  t.same(counts(platform), { routes: 8, instances: 8, apps: 10 })
})

test('instances that BBS has forgotten stay until an operator accepts it', async (t) => {
  const platform = await full()
  platform.actual.clear()
  await platform.readBbs()
  t.same(counts(platform), { routes: 10, instances: 10, apps: 10 })
  t.match(platform.guard.held, { source: 'bbs', removes: { instances: 10 } })
  platform.guard.accept('another')
  t.equal(platform.published.count('instance'), 10)
  platform.hear({ kind: 'actual', lrp: actual({ process: 'p0', guid: 'i0', tag: { epoch: 'i0', index: 1 } }) })
  platform.guard.accept(platform.guard.held!.id)
  t.equal(platform.published.count('instance'), 1, 'but for the one that was heard of since')
  t.equal(platform.guard.held, undefined)
})

test('instances that Cloud Controller does not want any more may go', async (t) => {
  const platform = await full()
  platform.desired.clear()
  platform.actual.clear()
  for (let n = 0; n < 10; n++) platform.cc.app(`a${n}`, { state: 'STOPPED' })
  await platform.readBbs()
  t.ok(platform.guard.held, 'before it has told')
  await platform.readChanges()
  platform.guard.recheck()
  t.equal(platform.guard.held, undefined)
  t.same(counts(platform), { routes: 10, instances: 0, apps: 10 })
})

test('instances that were all replaced are not held', async (t) => {
  const platform = await full()
  platform.actual.clear()
  for (let n = 0; n < 10; n++) platform.actual.set(`j${n}`, actual({ process: `p${n}`, guid: `j${n}` }))
  await platform.readBbs()
  t.equal(platform.guard.held, undefined)
  t.same(
    [...platform.published.all()]
      .filter(({ kind }) => kind === 'instance')
      .map(({ key }) => key[0])
      .join(''),
    'j'.repeat(10),
  )
})

test('nothing of a domain that is not fresh is removed', async (t) => {
  const platform = await full()
  platform.domains = []
  platform.actual.delete('i0')
  platform.desired.delete('p1')
  await platform.readBbs()
  t.equal(platform.published.count('instance'), 10)
  platform.domains = ['cf-apps']
  await platform.readBbs()
  t.equal(platform.published.count('instance'), 8)
  t.same(platform.answer('pub/h1.mesh'), ['a1/web:8080 '])
})
