import { randomUUID, type X509Certificate } from 'node:crypto'
import { wireText } from '../../mesh/wire.ts'
import type { Peer } from './downstream.ts'
import type { Headers } from './http/headers.ts'
import type { ManagerConfig } from './resources/manager.ts'

/** Headers that only routers may set; a client's are dropped. */
function isInternal(name: string): boolean {
  return name.startsWith('x-envoy-') || name === 'x-forwarded-client-cert'
}

/** Who sent a request. */
export interface Client {
  address: string
  /** 0 where only an address is known. */
  port: number
}

/**
 * Settles who the client is and what the app is told of it: `X-Forwarded-For`, `-Proto`, and the request's id. Header by
 * header as Envoy does it for an edge proxy, with `trustedHops` proxies before us whose word counts. Returns the client and the id.
 */
export function settleClient(headers: Headers, config: ManagerConfig, peer: Peer, scheme: string): { client: Client; id: string } {
  headers.removeWhere(isInternal)
  if (config.forwardClientCertificate && peer.clientCertificate !== undefined)
    headers.set('x-forwarded-client-cert', peer.clientCertificate)
  const client = clientOf(headers, config, peer)
  if (config.useRemoteAddress && config.appendXff) {
    const xff = headers.getAll('x-forwarded-for')
    headers.set('x-forwarded-for', xff === undefined ? peer.remoteAddress : `${xff},${peer.remoteAddress}`)
  }
  const trusted = !config.useRemoteAddress || config.trustedHops > 0
  if (!trusted || !headers.has('x-forwarded-proto')) headers.set('x-forwarded-proto', scheme)

  const given = config.keepRequestId ? headers.get('x-request-id') : undefined
  const id = given ?? randomUUID()
  if (given === undefined) {
    if (config.generateRequestId) headers.set('x-request-id', id)
    else headers.remove('x-request-id')
  }
  return { client, id }
}

/**
 * A client's certificate as Envoy writes it into `X-Forwarded-Client-Cert`: hash, subject (RFC 2253), which Node leaves out where it is
 * empty, and DNS names.
 */
export function forwardedCertificate({ fingerprint256, subject = '', subjectAltName }: X509Certificate): string {
  // Within ASCII, what needs it is escaped already; values that belong together are joined by a plus.
  const parts = wireText(subject)
    .replace(/[\x80-\xff]/g, (byte) => `\\${byte.charCodeAt(0).toString(16).toUpperCase()}`)
    .split('\n')
    .toReversed()
    .map((part) => part.replaceAll(' + ', '+'))
  const names = [...(subjectAltName ?? '').matchAll(/DNS:([^,\s]+)/g)].map(([, name]) => `;DNS=${name}`)
  return `Hash=${fingerprint256.replaceAll(':', '').toLowerCase()};Subject="${parts.join(',')}"${names.join('')}`
}

function clientOf(headers: Headers, { useRemoteAddress, trustedHops }: ManagerConfig, peer: Peer): Client {
  const direct = { address: peer.remoteAddress, port: peer.remotePort }
  if (useRemoteAddress && trustedHops === 0) return direct
  const addresses = headers.getAll('x-forwarded-for')?.split(',') ?? []
  const told = addresses.at(-(useRemoteAddress ? trustedHops : trustedHops + 1))?.trim()
  return told ? { address: told, port: 0 } : direct
}
