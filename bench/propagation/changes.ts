import { setTimeout as delay } from 'node:timers/promises'
import type { World } from '../world/world.ts'
import { watch, type Lags, type Shows } from './watch.ts'

/** A kind of change. `prepare` readies the nth sample in a world; what it answers makes the change and measures it. */
export interface Kind {
  name: string
  /** Read by polling Cloud Controller, so that several samples are taken at once. */
  polled?: boolean
  measure: (world: World, n: number) => Promise<Lags>
}

/** route-syncer asks Cloud Controller for changes this often by default, milliseconds. */
const pollInterval = 5_000
/** Comes at any moment between two polls: what was done before has ended with one. */
const anyMoment = (): Promise<void> => delay(Math.random() * pollInterval)

const label = 'mesh.cloudfoundry.org/sticky-session'
/** Guids of routes made for the bench, by world and host. */
const made = new WeakMap<World, Map<string, string>>()

/** A route of the bench's own, which has no destination when it is new. */
export async function routeOf(world: World, host: string): Promise<string> {
  const routes = made.get(world) ?? new Map<string, string>()
  made.set(world, routes)
  let guid = routes.get(host)
  if (!guid) {
    const relationships = { space: { data: { guid: world.space } }, domain: { data: { guid: world.domain } } }
    routes.set(host, (guid = (await world.cf.post('/v3/routes', { host, relationships })).guid))
  }
  return guid
}

export async function mapRoute(world: World, host: string, app: string): Promise<void> {
  await world.cf.post(`/v3/routes/${await routeOf(world, host)}/destinations`, { destinations: [{ app: { guid: app } }] })
}

export async function unmapRoute(world: World, host: string): Promise<void> {
  const path = `/v3/routes/${await routeOf(world, host)}/destinations`
  for (const { guid } of (await world.cf.get(path))['destinations'] as { guid: string }[]) await world.cf.delete(`${path}/${guid}`)
}

/** Apps that no other kind of change touches. */
const appAt = (world: World, kind: number, n: number): string => world.apps[(kind * 100 + n) % world.apps.length]!
const hostAt = (world: World, kind: number, n: number): string => `app-${(kind * 100 + n) % world.apps.length}`

const has = (status: number) => (): Shows => (answer) => answer.status === status
const unlike =
  (known: string[]) =>
  (): Shows =>
  ({ status, body }) =>
    status === 200 && !known.includes(body)
const inARow = (count: number, wanted: (body: string, before: string | undefined) => boolean) => (): Shows => {
  let before: string | undefined
  let row = 0
  return ({ status, body }) => {
    row = status === 200 && wanted(body, before) ? row + 1 : 0
    before = body
    return row >= count
  }
}

const mapAndUnmap: Kind[] = [
  {
    name: 'map',
    measure: async (world, n) => {
      const host = `bench-${n}`
      await routeOf(world, host)
      return watch(world, { host, shows: has(200), act: () => mapRoute(world, host, appAt(world, 0, n)) })
    },
  },
  {
    name: 'unmap',
    measure: (world, n) => watch(world, { host: `bench-${n}`, shows: has(404), act: () => unmapRoute(world, `bench-${n}`) }),
  },
]

const scale = (world: World, app: string, instances: number): Promise<unknown> =>
  world.cf.post(`/v3/apps/${app}/processes/web/actions/scale`, { instances })

/** From two instances, which a router asks in turn, to one: the first to answer twice running. */
const scaling: Kind[] = [
  {
    name: 'scale down',
    measure: (world, n) =>
      watch(world, {
        host: hostAt(world, 1, n),
        shows: inARow(1, (body, before) => body === before),
        act: () => scale(world, appAt(world, 1, n), 1),
      }),
  },
  {
    name: 'scale up',
    measure: async (world, n) => {
      const app = appAt(world, 1, n)
      return watch(world, {
        host: hostAt(world, 1, n),
        shows: unlike(await world.platform.call('instancesOf', app)),
        act: () => scale(world, app, 2),
      })
    },
  },
]

/** An instance dies and is started anew; the new one answers. */
const crash: Kind = {
  name: 'crash',
  measure: async (world, n) => {
    const app = appAt(world, 2, n)
    const known = await world.platform.call('instancesOf', app)
    const act = () => Promise.all([world.instances.call('end', known[0]!), world.platform.call('crash', app, 0)])
    return watch(world, { host: hostAt(world, 2, n), shows: unlike(known), act })
  },
}

/** From 99:1 to 1:99: three answers running of the app that had one in a hundred. */
const weight: Kind = {
  name: 'new weight',
  polled: true,
  measure: async (world, n) => {
    const host = `weighted-${n}`
    const route = await routeOf(world, host)
    const apps = [appAt(world, 3, 2 * n), appAt(world, 3, 2 * n + 1)]
    const set = (weights: number[]) =>
      world.cf.patch(`/v3/routes/${route}/destinations`, { destinations: apps.map((guid, at) => ({ app: { guid }, weight: weights[at] })) })
    await watch(world, { host, pace: 20, shows: has(200), act: () => set([99, 1]) })
    const second = await world.platform.call('instancesOf', apps[1]!)
    const first = await world.platform.call('instancesOf', apps[0]!)
    // The weights before must be in force first, or old news would count as new.
    await watch(world, { host, pace: 20, shows: inARow(4, (body) => first.includes(body)), act: async () => {} })
    await anyMoment()
    return watch(world, { host, pace: 20, shows: inARow(3, (body) => second.includes(body)), act: () => set([1, 99]) })
  },
}

/** An app's label by which its sessions stick: the answer to a request that begins one has the session's cookie. */
const newLabel: Kind = {
  name: 'new label',
  polled: true,
  measure: async (world, n) => {
    const app = appAt(world, 4, n)
    const set = (value: string | null) => world.cf.patch(`/v3/apps/${app}`, { metadata: { labels: { [label]: value } } })
    const watched = { host: hostAt(world, 4, n), path: '/session', pace: 20 }
    await anyMoment()
    const lags = await watch(world, {
      ...watched,
      shows:
        () =>
        ({ cookie }) =>
          cookie.includes('__VCAP_ID__'),
      act: () => set('true'),
    })
    await watch(world, {
      ...watched,
      shows:
        () =>
        ({ cookie }) =>
          !cookie.includes('__VCAP_ID__'),
      act: () => set(null),
    })
    return lags
  },
}

export const kinds: Kind[] = [...mapAndUnmap, ...scaling, crash, weight, newLabel]
