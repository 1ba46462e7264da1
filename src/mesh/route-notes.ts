import { healthCheckAnnotation, healthCheckForm, readHealthCheck } from './health-check.ts'
import type { App, Route } from './records.ts'

/** What the operator has set for routes and apps that say nothing. */
export interface Usual {
  loadBalancing: string
  healthCheck: string
}

/**
 * What a route asks for and does not get, for people: by its options and weights, and by the annotations of its apps. What rules make of it
 * is given by `balanced`, true where a DestinationRule says how its instances are chosen, and `protocol`, which its instances are spoken
 * to.
 */
export function routeNotes(
  { options, destinations }: Pick<Route, 'options' | 'destinations'>,
  apps: (Pick<App, 'annotations'> | undefined)[],
  {
    usual = { loadBalancing: 'round-robin', healthCheck: 'none' },
    balanced = false,
    protocol = ownProtocol(destinations),
  }: { usual?: Usual; balanced?: boolean; protocol?: string } = {},
): string[] {
  return [
    ...protocolNotes(destinations),
    ...balancingNotes({ options, destinations }, usual.loadBalancing, balanced),
    ...checkNotes(protocol, apps, usual.healthCheck),
  ]
}

/**
 * An instance speaks one protocol and a cluster has one: where destinations differ it is HTTP/1.1, which apps that take HTTP/2 nearly
 * always take as well.
 */
export const ownProtocol = (destinations: Route['destinations']): 'http1' | 'http2' =>
  destinations.length > 0 && destinations.every(({ protocol }) => protocol === 'http2') ? 'http2' : 'http1'

function* protocolNotes(destinations: Route['destinations']): Generator<string> {
  if (new Set(destinations.map(({ protocol }) => protocol)).size > 1)
    yield 'its destinations mix http1 and http2: all are asked over HTTP/1.1'
}

function* balancingNotes(
  { options, destinations }: Pick<Route, 'options' | 'destinations'>,
  usual: string,
  balanced: boolean,
): Generator<string> {
  const { loadbalancing: asked, hash_header: header } = options
  if (asked === 'hash' && !header) yield 'hash_header is missing, by which instances would be chosen: they are taken in turn'
  if (asked && balanced) yield `a DestinationRule says how instances are chosen: the route's option loadbalancing=${asked} is not used`
  const wanted = asked === 'hash' ? 'round-robin' : (asked ?? usual)
  if (wanted !== 'round-robin' && destinations.some(({ weight }) => weight !== undefined))
    yield `weights hold only when instances are taken in turn: ${wanted} is not used`
}

function* checkNotes(protocol: string, apps: (Pick<App, 'annotations'> | undefined)[], usual: string): Generator<string> {
  const written = apps.flatMap((app) => app?.annotations[healthCheckAnnotation] ?? [])[0]
  const check = readHealthCheck(written ?? usual)
  if (check === undefined && written !== undefined)
    yield `${healthCheckAnnotation}: ${JSON.stringify(written)} is none of ${healthCheckForm}`
  if (check !== undefined && check !== 'none' && check.type === 'grpc' && protocol === 'http1')
    yield 'gRPC is HTTP/2, and its app is mapped as http1: its instances are not checked; map it with --app-protocol http2, or have it checked by http:/PATH or tcp'
}
