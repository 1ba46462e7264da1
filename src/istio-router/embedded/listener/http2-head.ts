import { randomBytes } from 'node:crypto'
import { METHODS } from 'node:http'
import http2, { type ServerHttp2Stream } from 'node:http2'
import type { Peer, RequestHead } from '../downstream.ts'
import { Headers } from '../http/headers.ts'
import type { ManagerConfig } from '../resources/manager.ts'
import { isLength } from '../http/syntax.ts'
import { authorityPattern, faults, type Fault } from './http1-head.ts'

const methods = new Set(METHODS)
const { NGHTTP2_FLAG_END_STREAM } = http2.constants

/** Reads the head of an HTTP/2 request. An extended CONNECT (RFC 8441) becomes the upgrade that HTTP/1.1 knows. */
export function readHead(
  stream: ServerHttp2Stream,
  flags: number,
  raw: string[],
  config: ManagerConfig,
  peer: Peer,
): { head: RequestHead; fault: Fault | undefined } {
  const pseudo: Record<string, string> = {}
  const list: string[] = []
  let cookie: string | undefined
  let sized = false
  let expectContinue = false
  let host: string | undefined
  let fault: Fault | undefined

  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!
    const value = raw[i + 1]!
    if (name.startsWith(':')) {
      pseudo[name] = value
      continue
    }
    switch (name) {
      case 'host':
        host = value
        break
      case 'cookie':
        cookie = cookie === undefined ? value : `${cookie}; ${value}`
        break
      case 'expect':
        expectContinue = value.toLowerCase() === '100-continue'
        break
      case 'content-length':
        sized = true
        if (!isLength(value)) fault ??= faults.framing
        list.push(name, value)
        break
      default:
        if (config.underscores === 'allow' || !name.includes('_')) list.push(name, value)
        else if (config.underscores === 'reject') fault ??= faults.underscore
    }
  }
  if (cookie !== undefined) list.push('cookie', cookie)

  const { ':method': method = '', ':authority': authority = host ?? '', ':path': target = '', ':protocol': protocol } = pseudo
  const tunnel = method === 'CONNECT' && protocol !== undefined
  if (raw.length / 2 > config.maxHeaderCount) fault ??= faults.tooManyHeaders
  if (method === 'CONNECT' && !tunnel) fault ??= faults.connect
  if (!methods.has(method)) fault ??= faults.method
  if (!authorityPattern.test(authority) || (host !== undefined && host !== authority)) fault ??= faults.host
  if (!/^(\/[!-~]*|\*)$/.test(target)) fault ??= faults.target
  if (tunnel && !list.includes('sec-websocket-key')) list.push('sec-websocket-key', randomBytes(16).toString('base64'))

  let trailers: string[] = []
  stream.on('trailers', (_headers: unknown, _flags: number, fields?: string[]) => {
    trailers = fields ?? []
  })
  const hasBody = !tunnel && (flags & NGHTTP2_FLAG_END_STREAM) === 0
  return {
    head: {
      method: tunnel ? 'GET' : method,
      target,
      authority,
      scheme: peer.tlsVersion === undefined ? 'http' : 'https',
      protocol: 'HTTP/2',
      headers: new Headers(list),
      body: hasBody ? { stream, sized, trailers: () => trailers } : undefined,
      expectContinue,
      upgrade: tunnel ? protocol.toLowerCase() : undefined,
      peer,
    },
    fault,
  }
}
