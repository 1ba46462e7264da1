import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { isObject } from '../json.ts'
import type { Actor, Destination, Route } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { Access } from './access.ts'
import { audit } from './audit.ts'
import { Body, parseBody } from './body.ts'
import { linkOf, type Link, type Platform } from './context.ts'
import { appTarget, mappingData } from './deletion.ts'
import { unprocessable } from './errors.ts'
import type { WithGuid } from './replies.ts'
import { presentDestination, routeFor, routeUrl } from './routes.ts'

const DestinationsBody = Body({ destinations: Type.Optional(Type.Unknown()) })
const protocols = ['http1', 'http2', 'tcp']
const protocolRule = "protocol must be 'http1', 'http2' or 'tcp'."
const ProtocolUpdate = Body({ protocol: Type.Optional(Type.Unsafe<string>({ enum: protocols, type: 'string' })) })

/** Port of an app that names none. */
export const defaultPort = 8080

type Wanted = Pick<Destination, 'app' | 'type' | 'port' | 'protocol' | 'weight'>

export function destinationRoutes(api: FastifyInstance, { store }: Platform): void {
  const present = (route: Route, link: Link) => ({
    destinations: route.destinations.map(presentDestination),
    links: { self: link(`/v3/routes/${route.guid}/destinations`), route: link(`/v3/routes/${route.guid}`) },
  })

  api.get<WithGuid & { Querystring: { guids?: string; app_guids?: string } }>('/v3/routes/:guid/destinations', (request) => {
    const route = routeFor(store, request)
    const [guids, apps] = [request.query.guids?.split(','), request.query.app_guids?.split(',')]
    const destinations = route.destinations.filter(({ guid, app }) => (guids?.includes(guid) ?? true) && (apps?.includes(app) ?? true))
    return present({ ...route, destinations }, linkOf(request))
  })

  api.post<WithGuid>('/v3/routes/:guid/destinations', (request) => {
    const wanted = parseDestinations(request.body, false)
    const route = routeFor(store, request, true)
    requireApps(store, request.caller.access, route, wanted)
    requireRoom(route.destinations.length + wanted.length)
    requireDistinct(wanted)
    if (route.destinations.some(({ weight }) => weight !== null))
      throw unprocessable('Destinations cannot be inserted when there are weighted destinations already configured.')
    const added = wanted.filter((one) => !existing(store, route, one))
    return present(
      store.transaction(() => mapDestinations(store, route, added, [], request.caller.actor)),
      linkOf(request),
    )
  })

  api.patch<WithGuid>('/v3/routes/:guid/destinations', (request) => {
    const wanted = parseDestinations(request.body, true)
    const route = routeFor(store, request, true)
    requireApps(store, request.caller.access, route, wanted)
    requireRoom(wanted.length)
    requireDistinct(wanted)
    const added = wanted.filter((one) => !route.destinations.some((held) => same(held, one)))
    const removed = route.destinations.filter((held) => !wanted.some((one) => same(held, one)))
    return present(
      store.transaction(() => mapDestinations(store, route, added, removed, request.caller.actor)),
      linkOf(request),
    )
  })

  api.patch<{ Params: { guid: string; destination: string } }>('/v3/routes/:guid/destinations/:destination', (request) => {
    const { protocol } = parseBody(ProtocolUpdate, request.body)
    const route = routeFor(store, request, true)
    const held = destinationOf(route, request.params.destination)
    if (protocol === 'tcp') throw unprocessable("Destination protocol must be 'http1' or 'http2' if the parent route's protocol is 'http'")
    const changed = { ...held, ...(protocol && { protocol: protocol as Destination['protocol'] }), updatedAt: Date.now() }
    store.transaction(() =>
      store.routes.update(route.guid, { destinations: route.destinations.map((one) => (one === held ? changed : one)) }, { touch: false }),
    )
    const link = linkOf(request)
    return {
      ...presentDestination(changed),
      links: { destinations: link(`/v3/routes/${route.guid}/destinations`), route: link(`/v3/routes/${route.guid}`) },
    }
  })

  api.delete<{ Params: { guid: string; destination: string } }>('/v3/routes/:guid/destinations/:destination', (request, reply) => {
    const route = routeFor(store, request, true)
    const held = destinationOf(route, request.params.destination)
    if (held.weight !== null) throw unprocessable('Weighted destinations cannot be deleted individually.')
    store.transaction(() => mapDestinations(store, route, [], [held], request.caller.actor))
    return reply.code(204).send()
  })
}

/**
 * Changes what a route sends to, as part of the running transaction; events tell of it, and the route's `updated_at`
 * stays, as in Cloud Controller.
 */
export function mapDestinations(
  store: Store,
  route: Route,
  added: Wanted[],
  removed: Destination[],
  actor: Actor,
  manifestTriggered = false,
): Route {
  if (!added.length && !removed.length) return route
  const now = Date.now()
  const fresh = added.map((one): Destination => ({ guid: randomUUID(), ...one, createdAt: now, updatedAt: now }))
  const tell = (type: string, destination: Destination): void => {
    const app = store.apps.get(destination.app)
    if (!app) return
    audit(
      store,
      type,
      actor,
      appTarget(app),
      { space: app.space },
      { ...mappingData(route, destination), ...(manifestTriggered && { manifest_triggered: true }) },
    )
  }
  for (const destination of removed) tell('audit.app.unmap-route', destination)
  const destinations = [...route.destinations.filter((one) => !removed.includes(one)), ...fresh].sort((a, b) => (a.guid < b.guid ? -1 : 1))
  const after = store.routes.update(route.guid, { destinations }, { touch: false })
  for (const destination of fresh) tell('audit.app.map-route', destination)
  return after
}

function same(held: Destination, wanted: Wanted): boolean {
  return (
    held.app === wanted.app &&
    held.type === wanted.type &&
    held.port === wanted.port &&
    held.protocol === wanted.protocol &&
    held.weight === wanted.weight
  )
}

function existing(store: Store, route: Route, wanted: Wanted): boolean {
  const held = route.destinations.find(({ app, type, port }) => app === wanted.app && type === wanted.type && port === wanted.port)
  if (held && held.protocol !== wanted.protocol) {
    throw unprocessable(
      `Cannot add destination with protocol: ${wanted.protocol}. Destination already exists for route: ${routeUrl(store, route)}, app: ${wanted.app}, process: ${wanted.type}, and protocol: ${held.protocol}.`,
    )
  }
  return held !== undefined
}

function destinationOf(route: Route, guid: string): Destination {
  const held = route.destinations.find((destination) => destination.guid === guid)
  if (!held) throw unprocessable('Unable to unmap route from destination. Ensure the route has a destination with this guid.')
  return held
}

function requireRoom(count: number): void {
  if (count > 100) throw unprocessable('Routes can be mapped to at most 100 destinations.')
}

function requireDistinct(wanted: Wanted[]): void {
  if (new Set(wanted.map((one) => JSON.stringify(one))).size < wanted.length)
    throw unprocessable('Destinations cannot contain duplicate entries')
}

function requireApps(store: Store, access: Access, route: Route, wanted: Wanted[]): void {
  const guids = [...new Set(wanted.map(({ app }) => app))]
  const missing = guids.filter((guid) => !store.apps.get(guid))
  if (missing.length) throw unprocessable(`App(s) with guid(s) "${missing.join('", "')}" do not exist.`)
  const hidden = guids.filter((guid) => !access.may('read', store.apps.get(guid)!.space))
  if (hidden.length) throw unprocessable(`App(s) with guid(s) "${hidden.join('", "')}" you do not have access.`)
  const elsewhere = guids.some((guid) => ![route.space, ...route.sharedSpaces].includes(store.apps.get(guid)!.space))
  if (elsewhere) throw unprocessable("Routes destinations must be in either the route's space or the route's shared spaces")
}

function parseDestinations(body: unknown, replace: boolean): Wanted[] {
  const { destinations } = parseBody(DestinationsBody, body)
  const minimum = replace ? 0 : 1
  if (!Array.isArray(destinations) || destinations.length < minimum || destinations.length > 100) {
    throw unprocessable(`Destinations must be an array containing between ${minimum} and 100 destination objects.`)
  }
  const faults = destinations.flatMap((destination, at) =>
    destinationFaults(destination, replace).map((fault) => `Destinations[${at}]: ${fault}`),
  )
  if (!faults.length) faults.push(...weightFaults(destinations as { weight?: number | null }[]))
  if (faults.length) throw unprocessable(faults.join(', '))
  return (destinations as { app: { guid: string; process?: { type: string } }; port?: number; protocol?: string; weight?: number }[]).map(
    ({ app, port, protocol, weight }) => {
      if (protocol === 'tcp') throw unprocessable("Cannot use 'tcp' protocol for http routes; valid options are: [http1, http2].")
      return {
        app: app.guid,
        type: app.process?.type ?? 'web',
        port: port ?? defaultPort,
        protocol: (protocol ?? 'http1') as Destination['protocol'],
        weight: weight ?? null,
      }
    },
  )
}

function destinationFaults(destination: unknown, replace: boolean): string[] {
  if (!isObject(destination)) return ['must be an object.']
  const { app, weight, port, protocol, ...rest } = destination
  if (app === undefined) return ['must have an "app".']
  if (Object.keys(rest).length) return ['must have only "app" and optionally "weight", "port" or "protocol".']
  const faults = []
  if (!isObject(app) || typeof app['guid'] !== 'string' || !app['guid'] || app['guid'].length > 200)
    faults.push('app must have the structure {"guid": "app_guid"}')
  else if (app['process'] !== undefined && app['process'] !== null && !isProcess(app['process']))
    faults.push('process must have the structure {"type": "process_type"}')
  if (weight && !replace) faults.push('weighted destinations can only be used when replacing all destinations.')
  else if (weight !== undefined && weight !== null && !within(weight, 1, 100))
    faults.push('weight must be a positive integer between 1 and 100.')
  if (port !== undefined && port !== null && !within(port, 1024, 65_535))
    faults.push('port must be a positive integer between 1024 and 65535 inclusive.')
  if (protocol !== undefined && protocol !== null && !protocols.includes(protocol as string)) faults.push(protocolRule)
  return faults
}

function weightFaults(destinations: { weight?: number | null }[]): string[] {
  const weights = destinations.flatMap(({ weight }) => weight ?? [])
  if (!weights.length) return []
  if (weights.length < destinations.length) return ['Destinations cannot contain both weighted and unweighted destinations.']
  return weights.reduce((sum, weight) => sum + weight, 0) === 100 ? [] : ['Destinations must have weights that sum to 100.']
}

function isProcess(value: unknown): boolean {
  return isObject(value) && Object.keys(value).join() === 'type' && typeof value['type'] === 'string' && value['type'] !== ''
}

function within(value: unknown, minimum: number, maximum: number): boolean {
  return Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum
}
