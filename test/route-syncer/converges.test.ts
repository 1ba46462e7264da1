import * as fc from 'fast-check'
import { setImmediate as breathe } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { test } from 'tap'
import type { BbsEvent } from '../../src/platform/bbs/events.ts'
import { actual, desired, TestPlatform } from './support/platform.ts'

const apps = ['a', 'b', 'c']
const routes = ['x', 'y', 'z']

/**
 * A Cloud Foundry whose Diego hears of Cloud Controller's changes late, and whose events reach us late, twice, and out of step with reads.
 */
class World {
  readonly platform = new TestPlatform({ mirror: { from: 'apps', to: 'mesh' } })
  readonly #started = new Map<string, { process: string; instances: number }>()
  readonly #mapped = new Map<string, Set<string>>()
  readonly #tags = new Map<string, { epoch: string; index: number }>()
  readonly #late: (() => void)[] = []
  readonly #events: BbsEvent[] = []
  readonly #heard: BbsEvent[] = []
  #versions = 0

  map(route: string, app: string): void {
    const mapped = this.#mapped.get(route) ?? new Set()
    this.#mapped.set(route, mapped.add(app))
    this.#tellCloud(route)
    this.platform.cc.audit('audit.app.map-route', app, { route_guid: route })
    this.#late.push(() => this.#update(app))
  }

  unmap(route: string, app: string): void {
    if (!this.#mapped.get(route)?.delete(app)) return
    this.#tellCloud(route)
    this.platform.cc.audit('audit.app.unmap-route', app, { route_guid: route })
    this.#late.push(() => this.#update(app))
  }

  delete(route: string): void {
    const mapped = this.#mapped.get(route)
    if (!mapped) return
    this.#mapped.delete(route)
    this.platform.cc.remove('/v3/routes', route)
    this.platform.cc.audit('audit.route.delete-request', route)
    for (const app of mapped) this.#late.push(() => this.#update(app))
  }

  start(app: string, instances: number): void {
    const running = this.#started.get(app)
    const process = running?.process ?? `${app}-${++this.#versions}`
    this.#started.set(app, { process, instances })
    this.platform.cc.app(app, { instances })
    this.#late.push(() => this.#update(app))
  }

  stop(app: string): void {
    if (!this.#started.delete(app)) return
    this.platform.cc.app(app, { state: 'STOPPED' })
    this.#late.push(() => this.#update(app))
  }

  /** Diego carries out the oldest of what Cloud Controller asked for. */
  carryOut(): void {
    this.#late.shift()?.()
  }

  hear(): void {
    const event = this.#events.shift()
    if (!event) return
    this.#heard.push(event)
    this.platform.hear(event)
  }

  hearAgain(which: number): void {
    const event = this.#heard[which % (this.#heard.length || 1)]
    if (event) this.platform.hear(event)
  }

  async settle(): Promise<void> {
    while (this.#late.length) this.carryOut()
    while (this.#events.length) this.hear()
  }

  get truth() {
    const expected = new Map<string, string[]>()
    for (const [route, mapped] of this.#mapped)
      if (mapped.size)
        expected.set(
          `pub/${route}.mesh`,
          [...mapped].sort().map((app) => `${app}/web:8080 ${this.#started.get(app)?.process ?? ''}`),
        )
    const instances = [...this.#started.values()].flatMap(({ process, instances }) =>
      Array.from({ length: instances }, (_, index) => `${process}#${index}`),
    )
    return { routes: Object.fromEntries(expected), instances: instances.sort() }
  }

  get published() {
    const routes = routesOf(this.platform)
    const instances = [...this.platform.published.all()].flatMap((change) =>
      change.kind === 'instance' && change.value ? `${change.value.process}#${change.value.index}` : [],
    )
    return { routes, instances: instances.sort() }
  }

  #tellCloud(route: string): void {
    const mapped = this.#mapped.get(route) ?? []
    this.platform.cc.route({ guid: route, url: `${route}.apps`, domain: 'apps', destinations: [...mapped].map((app) => ({ app })) }, false)
  }

  #next(key: string): { epoch: string; index: number } {
    const before = this.#tags.get(key)
    const tag = before ? { epoch: before.epoch, index: before.index + 1 } : { epoch: `${key}-${Math.random()}`, index: 0 }
    this.#tags.set(key, tag)
    return tag
  }

  #update(app: string): void {
    const wanted = this.#started.get(app)
    for (const [guid, lrp] of this.platform.desired) {
      if (lrp.logGuid !== app || guid === wanted?.process) continue
      this.platform.desired.delete(guid)
      this.#events.push({ kind: 'desired-removed', lrp })
    }
    if (wanted) {
      const { process, instances } = wanted
      const hosts = [...this.#mapped].filter(([, mapped]) => mapped.has(app)).map(([route]) => `${route}.apps`)
      const lrp = desired({ process, app, instances, hosts, tag: this.#next(process) })
      this.platform.desired.set(process, lrp)
      this.#events.push({ kind: 'desired', lrp })
      for (let index = 0; index < instances; index++) this.#run(process, index)
    }
    for (const [guid, lrp] of this.platform.actual) {
      const { processGuid, index } = lrp.actualLrpKey!
      if (!processGuid.startsWith(`${app}-`) || (processGuid === wanted?.process && index < wanted.instances)) continue
      this.platform.actual.delete(guid)
      this.#tags.delete(guid)
      this.#events.push({ kind: 'actual-removed', lrp })
    }
  }

  #run(process: string, index: number): void {
    const guid = `${process}#${index}`
    if (this.platform.actual.has(guid)) return
    const claimed = actual({ process, index, guid, state: 'CLAIMED', tag: this.#next(guid) })
    const running = actual({ process, index, guid, tag: this.#next(guid) })
    this.platform.actual.set(guid, running)
    this.#events.push({ kind: 'actual', lrp: claimed }, { kind: 'actual', lrp: running, before: claimed })
  }
}

function routesOf(platform: TestPlatform) {
  const found = [...platform.published.all()].flatMap((change) =>
    change.kind === 'route' ? [[change.key, platform.answer(change.key)!] as const] : [],
  )
  return Object.fromEntries(found)
}

const app = fc.constantFrom(...apps)
const route = fc.constantFrom(...routes)
const step = fc.oneof(
  fc.record({ do: fc.constant('map'), route, app }),
  fc.record({ do: fc.constant('unmap'), route, app }),
  fc.record({ do: fc.constant('delete'), route }),
  fc.record({ do: fc.constant('start'), app, instances: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ do: fc.constant('stop'), app }),
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('carryOut', 'carryOut', 'hear', 'hear', 'hear', 'readAll', 'readChanges', 'readBbs', 'breathe'),
    }),
  },
  fc.record({ do: fc.constant('hearAgain'), which: fc.nat(40) }),
)

test('whatever happens in whatever order, what is published becomes the truth', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 80, size: 'max' }),
      fc.constantFrom('readAll', 'readChanges', 'both'),
      fc.integer({ min: 0, max: 3 }),
      async (steps, last, delay) => {
        const world = new World()
        const { platform } = world
        await platform.readAll()
        platform.pause = async () => {
          for (let turn = 0; turn < delay; turn++) await breathe()
        }
        const reads: Partial<Record<string, Promise<void>>> = {}
        for (const step of steps as Record<string, any>[]) {
          switch (step['do']) {
            case 'map':
            case 'unmap':
              world[step['do'] as 'map' | 'unmap'](step['route'], step['app'])
              break
            case 'delete':
              world.delete(step['route'])
              break
            case 'start':
              world.start(step['app'], step['instances'])
              break
            case 'stop':
              world.stop(step['app'])
              break
            case 'carryOut':
              world.carryOut()
              break
            case 'hear':
              world.hear()
              break
            case 'hearAgain':
              world.hearAgain(step['which'])
              break
            case 'breathe':
              await breathe()
              break
            default: {
              const kind = step['do'] as 'readAll' | 'readChanges' | 'readBbs'
              reads[kind] ??= platform[kind]().finally(() => delete reads[kind])
            }
          }
        }
        for (const read of Object.values(reads)) await read
        await world.settle()
        if (last !== 'readChanges') await platform.readAll()
        if (last !== 'readAll') await platform.readChanges()
        if (last === 'both') await platform.readBbs()
        if (!isDeepStrictEqual(world.published, world.truth))
          throw new Error(`published ${JSON.stringify(world.published)}, true is ${JSON.stringify(world.truth)}`)
      },
    ),
    { numRuns: 300 },
  )
  t.pass('in 300 histories')
})
