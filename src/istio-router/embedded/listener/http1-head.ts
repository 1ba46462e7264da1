import type { IncomingMessage } from 'node:http'
import type { Peer, RequestHead } from '../downstream.ts'
import type { Flag } from '../http/failure.ts'
import { Headers, removeNominated } from '../http/headers.ts'
import type { ManagerConfig } from '../resources/manager.ts'
import { isLength } from '../http/syntax.ts'

/** Why a request cannot be served. */
export interface Fault {
  status: number
  flag: Flag
  detail: string
}

/**
 * Reads a request's head strictly: what two servers could read in two ways is a fault (RFC 9112 §3.2, §6.3). The fields of
 * the connection are taken out; names become lower case.
 */
export function readHead(
  request: IncomingMessage,
  config: ManagerConfig,
  peer: Peer,
  expectContinue: boolean,
): { head: RequestHead; fault: Fault | undefined } {
  const raw = request.rawHeaders
  const list: string[] = []
  let hosts = 0
  let host = ''
  let lengths = 0
  let length = ''
  let encoding: string | undefined
  let connection: string | undefined
  let fault = request.method === 'CONNECT' ? faults.connect : raw.length / 2 > config.maxHeaderCount ? faults.tooManyHeaders : undefined

  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase()
    const value = raw[i + 1]!
    switch (name) {
      case 'host':
        hosts++
        host = value
        break
      case 'content-length':
        lengths++
        length = value
        list.push(name, value)
        break
      case 'transfer-encoding':
        encoding = encoding === undefined ? value : `${encoding},${value}`
        break
      case 'connection':
        connection = connection === undefined ? value : `${connection},${value}`
        break
      case 'te':
        if (/\btrailers\b/i.test(value)) list.push(name, 'trailers')
        break
      case 'expect':
      case 'keep-alive':
      case 'proxy-connection':
      case 'upgrade':
      case 'http2-settings':
        break
      default:
        if (config.underscores === 'allow' || !name.includes('_')) list.push(name, value)
        else if (config.underscores === 'reject') fault ??= faults.underscore
    }
  }

  const headers = new Headers(list)
  if (connection !== undefined && connection !== 'keep-alive') removeNominated(headers, connection)
  const target = targetOf(request, host)
  fault ??=
    framingFault(request, hosts, lengths, length, encoding) ??
    (request.httpVersionMinor === 0 && !config.acceptHttp10 ? faults.upgradeRequired : undefined)
  if (target.path === undefined || !authorityPattern.test(target.authority)) fault ??= faults.target
  const chunked = encoding !== undefined
  return {
    head: {
      method: request.method!,
      target: target.path ?? '/',
      authority: target.authority,
      scheme: peer.tlsVersion === undefined ? 'http' : 'https',
      protocol: request.httpVersionMinor === 0 ? 'HTTP/1.0' : 'HTTP/1.1',
      headers,
      body:
        chunked || (lengths > 0 && !/^0+$/.test(length))
          ? { stream: request, sized: !chunked, trailers: () => trailersOf(request) }
          : undefined,
      expectContinue,
      upgrade: upgradeOf(request, connection, config),
      peer,
    },
    fault,
  }
}

/** Declares what can be wrong with a request's head. */
const fault = (status: number, detail: string, flag: Flag = 'DPE'): Fault => ({ status, flag, detail })

export const faults = {
  tooManyHeaders: fault(431, 'too_many_headers'),
  underscore: fault(400, 'header_name_with_underscore'),
  upgradeRequired: fault(426, 'http_1_0'),
  target: fault(400, 'bad_request_target'),
  framing: fault(400, 'ambiguous_framing'),
  host: fault(400, 'bad_host'),
  encoding: fault(501, 'unknown_transfer_encoding'),
  method: fault(400, 'bad_method'),
  connect: fault(404, 'route_not_found', 'NR'),
}

/** What can stand as the authority of a request. */
export const authorityPattern = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/

function framingFault(
  { httpVersionMinor }: IncomingMessage,
  hosts: number,
  lengths: number,
  length: string,
  encoding: string | undefined,
): Fault | undefined {
  if (hosts > 1 || (hosts === 0 && httpVersionMinor === 1)) return faults.host
  if (lengths > 1 || (lengths === 1 && !isLength(length)) || (encoding !== undefined && (lengths > 0 || httpVersionMinor === 0)))
    return faults.framing
  return encoding !== undefined && encoding.toLowerCase() !== 'chunked' ? faults.encoding : undefined
}

/** The parts of a request's target; an absolute one overrides the Host header (RFC 9112 §3.2.2). */
function targetOf({ url, method }: IncomingMessage, host: string): { authority: string; path: string | undefined } {
  if (url!.startsWith('/')) return { authority: host, path: url }
  if (method === 'CONNECT') return { authority: url!, path: '' }
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url!)
  if (absolute) return { authority: absolute[1]!, path: absolute[2]!.startsWith('/') ? absolute[2] : `/${absolute[2]}` }
  return { authority: host, path: url === '*' && method === 'OPTIONS' ? '*' : undefined }
}

/** The protocol that `Upgrade` offers, without those that are passed over; undefined where none is left. */
export function offeredUpgrade(upgrade: string | undefined, { ignoresUpgrade }: Pick<ManagerConfig, 'ignoresUpgrade'>): string | undefined {
  const protocols = (upgrade ?? '').split(',').map((protocol) => protocol.trim().toLowerCase())
  return protocols.filter((protocol) => protocol !== '' && !ignoresUpgrade(protocol)).join(', ') || undefined
}

function upgradeOf(
  { headers, upgrade }: IncomingMessage & { upgrade?: boolean },
  connection: string | undefined,
  config: ManagerConfig,
): string | undefined {
  if (!upgrade || connection === undefined || !/\bupgrade\b/i.test(connection)) return undefined
  return offeredUpgrade(headers.upgrade, config)
}

function trailersOf({ rawTrailers }: IncomingMessage): string[] {
  return rawTrailers.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text))
}
