import type { Socket } from 'node:net'
import { isHopByHop } from '../http/headers.ts'
import { isFieldValue, isLength, isToken } from '../http/syntax.ts'
import type { RequestBody, UpstreamRequest } from './attempt.ts'
import { pump } from './pump.ts'

/** Methods whose requests say how long they are even where they have no body. */
const withContent = new Set(['POST', 'PUT', 'PATCH'])

/** A request's head as it goes over the wire, in latin1. */
export interface Head {
  text: string
  /** Bytes of the body; undefined where it goes in chunks. */
  length: number | undefined
}

/** Writes a request's head; undefined where a part of it cannot stand there, or it would not say clearly where the body ends. */
export function writeHead({ method, path, authority, headers, body, expectContinue, upgrade }: UpstreamRequest): Head | undefined {
  if (!isToken(method) || !/^[!-~\x80-\xff]+$/.test(path) || !isFieldValue(authority)) return undefined
  let length: string | undefined
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${authority}\r\n`
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!
    const value = headers[i + 1]!
    if (!isToken(name) || !isFieldValue(value) || name === 'host' || (isHopByHop(name) && name !== 'te')) return undefined
    if (name === 'content-length') {
      if (length !== undefined || !isLength(value)) return undefined
      length = value
    }
    text += `${name}: ${value}\r\n`
  }
  if (body ? body.sized === (length === undefined) : Number(length ?? 0) !== 0) return undefined
  if (body && !body.sized) text += 'transfer-encoding: chunked\r\n'
  else if (length === undefined && withContent.has(method)) text += 'content-length: 0\r\n'
  if (expectContinue) text += 'expect: 100-continue\r\n'
  if (upgrade !== undefined) text += `connection: upgrade\r\nupgrade: ${upgrade}\r\n`
  return { text: `${text}\r\n`, length: body && !body.sized ? undefined : Number(length ?? 0) }
}

/**
 * Sends a body of `length` bytes, or in chunks, and calls `ended` when all has been written, or `broken` where it is not what its head
 * says. Returns a function that leaves the rest of it with the client.
 */
export function sendBody(
  body: RequestBody,
  length: number | undefined,
  socket: Socket,
  { ended, broken }: { ended: () => void; broken: () => void },
): () => void {
  if (length === undefined) {
    return pump(
      body,
      socket,
      (chunk) => writeChunk(socket, chunk),
      () => {
        const last = lastChunk(body.trailers())
        if (last === undefined) return broken()
        socket.write(last, 'latin1')
        ended()
      },
    )
  }
  let left = length
  const write = (chunk: Buffer): boolean => {
    left -= chunk.length
    if (chunk.length === 0) return true
    if (left >= 0) return socket.write(chunk)
    broken()
    return false
  }
  return pump(body, socket, write, () => (left > 0 ? broken() : ended()))
}

function writeChunk(socket: Socket, chunk: Buffer): boolean {
  if (chunk.length === 0) return true
  socket.cork()
  socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
  socket.write(chunk)
  const room = socket.write('\r\n', 'latin1')
  socket.uncork()
  return room
}

function lastChunk(trailers: string[]): string | undefined {
  let text = '0\r\n'
  for (let i = 0; i < trailers.length; i += 2) {
    if (!isToken(trailers[i]!) || !isFieldValue(trailers[i + 1]!)) return undefined
    text += `${trailers[i]}: ${trailers[i + 1]}\r\n`
  }
  return `${text}\r\n`
}
