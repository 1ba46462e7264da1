import * as fc from 'fast-check'
import { exchange } from './support/socket.ts'
import { endHeaders, endStream, frame, frames, headerBlock, preface, settings, types } from './support/http2-frames.ts'
import { attackEngines, honest, type Target } from './support/target.ts'
import type { Part } from './support/run.ts'

type Header = [name: string, value: string]
interface Attack {
  headers: Header[]
  body?: string
}

const hidden = 'GET /smuggled HTTP/1.1\r\nhost: HOST\r\n\r\n'
const request = (...more: Header[]): Header[] => [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'HOST'],
  [':path', '/mark'],
  ...more,
]
const replaced = (name: string, value: string): Header[] => request().map(([known, old]) => [known, known === name ? value : old])
const injected = 'a\r\nx-smuggled: 1'

/** Requests that would be another one, or two, once they are written as HTTP/1.1 (downgrade smuggling). */
const attacks: [name: string, attack: Attack][] = [
  ['lines in a value', { headers: request(['x', injected]) }],
  ['a line feed in a value', { headers: request(['x', 'a\nx-smuggled: 1']) }],
  ['a request in a value', { headers: request(['x', `a\r\n\r\n${hidden}`]) }],
  ['lines in a name', { headers: request(['x: a\r\nx-smuggled', '1']) }],
  ['a colon in a name', { headers: request(['x-smuggled: a', '1']) }],
  ['a name in upper case', { headers: request(['X-Smuggled', '1']) }],
  ['a space in a name', { headers: request(['x-smuggled ', '1']) }],
  ['an empty name', { headers: request(['', 'x']) }],
  ['a NUL in a value', { headers: request(['x', 'a\0b']) }],
  ['a transfer coding', { headers: request(['transfer-encoding', 'chunked']), body: `0\r\n\r\n${hidden}` }],
  ['a length that is too short', { headers: request(['content-length', '0']), body: hidden }],
  ['a length that is too long', { headers: request(['content-length', '5000']), body: 'abc' }],
  ['two lengths', { headers: request(['content-length', '3'], ['content-length', '0']), body: 'abc' }],
  ['a length that is none', { headers: request(['content-length', '+3']), body: 'abc' }],
  ['a connection header', { headers: request(['connection', 'x-forwarded-for']) }],
  ['a line in the path', { headers: replaced(':path', '/mark HTTP/1.1\r\nx-smuggled: 1\r\nx: ') }],
  ['a space in the path', { headers: replaced(':path', '/mark /smuggled') }],
  ['an empty path', { headers: replaced(':path', '') }],
  ['a path without slash', { headers: replaced(':path', 'smuggled') }],
  ['a line in the method', { headers: replaced(':method', 'GET /smuggled HTTP/1.1\r\nhost: HOST\r\n\r\nGET') }],
  ['a space in the method', { headers: replaced(':method', 'GET /smuggled') }],
  ['a line in the authority', { headers: replaced(':authority', 'HOST\r\nx-smuggled: 1') }],
  ['a line in the scheme', { headers: replaced(':scheme', 'http\r\nx-smuggled: 1') }],
  ['a host beside the authority', { headers: request(['host', 'other']) }],
  ['two authorities', { headers: [...request(), [':authority', 'other']] }],
  ['two paths', { headers: [[':path', '/smuggled'], ...request()] }],
  ['a pseudo-header behind the others', { headers: [['x', 'y'], ...request()] }],
  ['an unknown pseudo-header', { headers: [[':smuggled', '1'], ...request()] }],
  ['a pseudo-header of answers', { headers: [[':status', '200'], ...request()] }],
  ['no method', { headers: request().slice(1) }],
  ['no path', { headers: request().slice(0, 3) }],
]

const piece = fc.oneof(
  fc.constantFrom(
    'a',
    'x-a',
    'content-length',
    'transfer-encoding',
    'host',
    ':path',
    ':method',
    ':authority',
    'chunked',
    '0',
    '3',
    '\r\n',
    '\n',
    '\0',
    ' ',
    ':',
    '\x7f',
    '\xff',
    injected,
    hidden,
  ),
  fc.string({ maxLength: 6 }),
)
const words = fc.array(piece, { maxLength: 3 }).map((pieces) => pieces.join(''))
const random: fc.Arbitrary<Attack> = fc.record({
  headers: fc
    .tuple(
      fc.constantFrom(...[':method', ':path', ':authority', 'none'].map((name) => name)),
      words,
      fc.array(fc.tuple(words, words), { maxLength: 4 }),
    )
    .map(([name, value, more]) => [...replaced(name, value), ...more]),
  body: words,
})

/** HTTP/2 requests that a router must not pass on as they are. */
export const http2Requests: Part = {
  name: 'http2-requests',
  what: 'smuggling by HTTP/2 at both engines, and random headers at the embedded one',
  run: (run) =>
    attackEngines(run, async (target) => {
      for (const [name, attack] of attacks) {
        await send(target, attack)
        await honest(target, run, `after ${name}`)
        for (const fault of target.faults.splice(0)) run.fault(`${target.engine}: ${name}: ${fault}`)
        run.count(1)
      }
      if (target.engine === 'embedded') {
        await run.property(random, async (attack) => {
          await send(target, attack)
          target.seen.length = 0
          // Whatever is one request, at whatever path and with whatever valid headers, may pass.
          const fault = target.faults.splice(0).find((text) => !text.startsWith('a smuggled'))
          if (fault) throw new Error(fault)
        })
      }
    }),
}

async function send({ router, host }: Target, { headers, body }: Attack): Promise<void> {
  const named = headers.map(([name, value]): Header => [name.replaceAll('HOST', host), value.replaceAll('HOST', host)])
  const bytes = [preface, settings(), frame(types.headers, endHeaders | (body === undefined ? endStream : 0), 1, headerBlock(named))]
  if (body !== undefined) bytes.push(frame(types.data, endStream, 1, Buffer.from(body.replaceAll('HOST', host), 'latin1')))
  await exchange(router.http, Buffer.concat(bytes), (received) =>
    [...frames(received)].some(
      ({ type, stream }) => type === types.goaway || (stream === 1 && (type === types.headers || type === types.reset)),
    ),
  )
}
