import { isIP } from 'node:net'

/** The addresses that a PROXY protocol header tells. */
export interface Proxied {
  remoteAddress: string
  remotePort: number
  localAddress: string
  localPort: number
}

/**
 * What the first bytes of a connection hold: a header of `length` bytes, with addresses unless it is of the proxy's own
 * (`LOCAL`, `UNKNOWN`); `more` if it is not whole yet; `none` if there is none; `bad` if it is not well-formed.
 */
export type ProxyHeader = 'more' | 'none' | 'bad' | { length: number; addresses: Proxied | undefined }

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const v1Prefix = Buffer.from('PROXY ', 'latin1')
const maxV1 = 107

/** Reads a PROXY protocol header, version 1 or 2 (haproxy's proxy-protocol.txt). */
export function readProxyHeader(seen: Buffer): ProxyHeader {
  if (startsLike(seen, signature)) return seen.length < 16 ? 'more' : readV2(seen)
  if (startsLike(seen, v1Prefix)) return readV1(seen)
  return 'none'
}

function startsLike(seen: Buffer, start: Buffer): boolean {
  const length = Math.min(seen.length, start.length)
  return seen.subarray(0, length).equals(start.subarray(0, length))
}

function readV1(seen: Buffer): ProxyHeader {
  const end = seen.indexOf('\r\n')
  if (end < 0) return seen.length < maxV1 ? 'more' : 'bad'
  const [, family, remoteAddress, localAddress, remotePort, localPort, ...rest] = seen.toString('latin1', 0, end).split(' ')
  const length = end + 2
  if (family === 'UNKNOWN') return { length, addresses: undefined }
  const [remote, local] = [portOf(remotePort), portOf(localPort)]
  if ((family !== 'TCP4' && family !== 'TCP6') || remote === undefined || local === undefined || rest.length > 0) return 'bad'
  if (isIP(remoteAddress!) !== (family === 'TCP4' ? 4 : 6) || !isIP(localAddress!)) return 'bad'
  return { length, addresses: { remoteAddress: remoteAddress!, remotePort: remote, localAddress: localAddress!, localPort: local } }
}

function portOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined
}

function readV2(seen: Buffer): ProxyHeader {
  const version = seen[12]! >> 4
  const command = seen[12]! & 0xf
  const family = seen[13]!
  const size = seen.readUInt16BE(14)
  const length = 16 + size
  if (version !== 2 || command > 1) return 'bad'
  if (seen.length < length) return 'more'
  if (command === 0) return { length, addresses: undefined }
  if (family === 0x11 && size >= 12) return { length, addresses: addressesAt(seen, 4, (at) => seen.subarray(at, at + 4).join('.')) }
  if (family === 0x21 && size >= 36) return { length, addresses: addressesAt(seen, 16, (at) => ipv6At(seen, at)) }
  return family === 0 ? { length, addresses: undefined } : 'bad'
}

function addressesAt(seen: Buffer, width: number, read: (at: number) => string): Proxied {
  const ports = 16 + 2 * width
  return {
    remoteAddress: read(16),
    localAddress: read(16 + width),
    remotePort: seen.readUInt16BE(ports),
    localPort: seen.readUInt16BE(ports + 2),
  }
}

function ipv6At(seen: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => seen.readUInt16BE(at + 2 * index).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
