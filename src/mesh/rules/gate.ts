import type { Route } from '../records.ts'
import { isHttps, isMutual, isPlainHttp, serversFor, type Arrival } from './gateways.ts'
import type { Source } from './source.ts'

/** What Gateways say of a host before any rule is looked at. */
export interface Gate {
  /** Where requests without TLS are sent to the same address with it. */
  redirect: Arrival[]
  /** Where clients must show a certificate: the servers that ask for one, and where others may come in. */
  mutual?: { servers: string[]; others: Arrival[] }
}

/** What the Gateways for a route's host let in; undefined where they say nothing. */
export function gateOf(view: Source, route: Route): Gate | undefined {
  if (route.exposure !== 'pub') return undefined
  const servers = serversFor(view, route)
  const redirect = servers.filter(({ server }) => isPlainHttp(server) && server.tls?.httpsRedirect)
  const mutual = servers.filter(({ server }) => isHttps(server) && isMutual(server))
  if (!redirect.length && !mutual.length) return undefined
  const plain = servers.filter(({ server }) => isPlainHttp(server))
  return {
    redirect: redirect.map(({ arrival }) => arrival),
    ...(mutual.length ? { mutual: { servers: mutual.map(({ id }) => id), others: plain.map(({ arrival }) => arrival) } } : {}),
  }
}
