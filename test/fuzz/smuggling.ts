import { exchange } from './support/socket.ts'
import { attackEngines, honest } from './support/target.ts'
import type { Part } from './support/run.ts'

const hidden = 'GET /smuggled HTTP/1.1\r\nhost: HOST\r\n\r\n'
const chunked = (content: string): string => `${Buffer.byteLength(content).toString(16)}\r\n${content}\r\n0\r\n\r\n`
const post = (headers: string[], body: string): string => `POST /mark HTTP/1.1\r\nhost: HOST\r\n${headers.join('\r\n')}\r\n\r\n${body}`
const get = (head: string): string => `GET /mark HTTP/1.1\r\nhost: HOST\r\n${head}\r\n\r\n${hidden}`
const clTe = `0\r\n\r\n${hidden}`
const codings = [
  'chunked',
  'Chunked',
  'CHUNKED',
  ' chunked',
  '\tchunked',
  '\x0bchunked',
  'chunked\x0b',
  'chunked ',
  'xchunked',
  'chunked;x',
  '"chunked"',
  'chunked, identity',
  'identity, chunked',
  'gzip, chunked',
  'chunked,',
  ',chunked',
  'chunk',
  'chunked\0',
  '\xa0chunked',
]
const names = [
  'transfer-encoding',
  'Transfer-Encoding',
  'transfer_encoding',
  'transfer-encoding ',
  ' transfer-encoding',
  'transfer-encoding\t',
  'transfer\0-encoding',
  'x: y\ntransfer-encoding',
  'x: y\rtransfer-encoding',
  'transfer-encoding\r\n ',
]
const lengths = ['+6', '-6', '6, 6', '6,6', '0x6', '6 6', '6.0', '', ' ', '6\0', '99999999999999999999', '6e0', 'six', '１']

/** Requests that hide another one from one of two readers. `mark` stands where the honest part of each is. */
const attacks: [name: string, bytes: string][] = [
  ...codings.flatMap((coding): [string, string][] => [
    [`CL.TE with ${JSON.stringify(coding)}`, post([`content-length: ${clTe.length}`, `transfer-encoding:${coding}`], clTe)],
    [`TE.CL with ${JSON.stringify(coding)}`, post([`transfer-encoding:${coding}`, 'content-length: 4'], chunked(hidden))],
    [
      `TE.TE with ${JSON.stringify(coding)}`,
      post(['transfer-encoding: chunked', `transfer-encoding:${coding}`, 'content-length: 4'], chunked(hidden)),
    ],
  ]),
  ...names.map((name): [string, string] => [
    `a coding named ${JSON.stringify(name)}`,
    post([`content-length: ${clTe.length}`, `${name}: chunked`], clTe),
  ]),
  ...lengths.flatMap((length): [string, string][] => [
    [`a length of ${JSON.stringify(length)}`, post([`content-length: ${length}`], `abcdef${hidden}`)],
    [`lengths of 0 and ${JSON.stringify(length)}`, post(['content-length: 0', `content-length: ${length}`], hidden)],
  ]),
  [
    'bare line feeds',
    `POST /mark HTTP/1.1\nhost: HOST\ncontent-length: 0\n\n${hidden}`.replace(
      'content-length: 0',
      `content-length: ${hidden.length}\ntransfer-encoding: chunked`,
    ),
  ],
  ['a bare line feed that hides a length', get(`x: y\ncontent-length: ${hidden.length}`)],
  ['a folded length', get(`content-length:\r\n ${hidden.length}`)],
  ['a NUL in a header', get(`x: a\0\r\ncontent-length: ${hidden.length}`)],
  ['a length with a space before the colon', get(`content-length : ${hidden.length}`)],
  ['a GET with a length', get(`content-length: ${hidden.length}`)],
  ['two hosts', `GET /smuggled HTTP/1.1\r\nhost: HOST\r\nhost: other\r\n\r\n`],
  ['two hosts, the other first', `GET /smuggled HTTP/1.1\r\nhost: other\r\nhost: HOST\r\n\r\n`],
  ['a host with a space', 'GET /smuggled HTTP/1.1\r\nhost: HOST other\r\n\r\n'],
  ['a host with a comma', 'GET /smuggled HTTP/1.1\r\nhost: HOST,other\r\n\r\n'],
  ['a host with user information', 'GET /smuggled HTTP/1.1\r\nhost: other@HOST\r\n\r\n'],
  ['an empty header name', get(`: x\r\ncontent-length: ${hidden.length}`)],
  ['a chunk extension with a line feed', post(['transfer-encoding: chunked'], `3;\nxx\r\nabc\r\n0\r\n\r\n`)],
  ['a chunk whose length is not its length', post(['transfer-encoding: chunked'], `2\r\nabc\r\n0\r\n\r\n${hidden}`)],
  ['a negative chunk', post(['transfer-encoding: chunked'], `-1\r\n\r\n0\r\n\r\n`)],
  ['a chunk of 2⁶⁴ + 3', post(['transfer-encoding: chunked'], `10000000000000003\r\nabc\r\n0\r\n\r\n`)],
  ['a chunk in 0x', post(['transfer-encoding: chunked'], `0x3\r\nabc\r\n0\r\n\r\n`)],
  ['a chunk that ends in a line feed', post(['transfer-encoding: chunked'], `3\nabc\n0\n\n`)],
  ['a length in the trailers', post(['transfer-encoding: chunked'], `3\r\nabc\r\n0\r\ncontent-length: 50\r\nx-smuggled: 1\r\n\r\n`)],
  [
    'an upgrade that is none',
    `GET /mark HTTP/1.1\r\nhost: HOST\r\nconnection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\nPRI * HTTP/2.0`,
  ],
  ['an upgrade that is passed over', post(['connection: upgrade', 'upgrade: TLS/1.2', `content-length: ${hidden.length}`], hidden)],
  [
    'an upgrade of which a part is passed over',
    post(['connection: upgrade', 'upgrade: TLS/1.2, websocket', `content-length: ${hidden.length}`], hidden),
  ],
  ['an expectation', post(['expect: 100-continue', `content-length: ${hidden.length}`], hidden)],
  ['an expectation with chunks', post(['expect: 100-continue', 'transfer-encoding: chunked'], chunked(hidden))],
  ['a space in the target', `GET /mark /smuggled HTTP/1.1\r\nhost: HOST\r\n\r\n`],
  ['a line in the target', `GET /mark\rGET /smuggled HTTP/1.1\r\nhost: HOST\r\n\r\n`],
  ['HTTP/0.9', 'GET /smuggled\r\n'],
  [
    'HTTP/1.0 kept alive with chunks',
    `POST /mark HTTP/1.0\r\nhost: HOST\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n${chunked(hidden)}`,
  ],
  ['a Connection that names the length', post([`content-length: ${hidden.length}`, 'connection: content-length'], hidden)],
  ['a Connection that names the coding', post(['transfer-encoding: chunked', 'connection: transfer-encoding'], chunked(hidden))],
]

/**
 * Requests that RFC 9112 (§2.2, §3, §5.2) lets a router read in one way and write anew: refused, or what follows is a request by itself for
 * all behind it.
 */
const readable: [name: string, bytes: string][] = [
  ['a bare carriage return', get(`x: y\rcontent-length: ${hidden.length}`)],
  ['a folded header', get(`x: y\r\n content-length: ${hidden.length}`)],
  ['tabs in the request line', `GET\t/mark\tHTTP/1.1\r\nhost: HOST\r\n\r\n`],
]

/** A head with an answer that ends its header. */
const answered = (received: Buffer): boolean => received.includes('\r\n\r\n')

/** Request smuggling over HTTP/1.1: what reaches the app is never more, nor other, than what the router took it for. */
export const smuggling: Part = {
  name: 'smuggling',
  what: 'request smuggling over HTTP/1.1 at both engines',
  run: (run) =>
    attackEngines(run, async (target) => {
      const { engine, router, host, seen } = target
      const end = performance.now() + run.seconds * 500
      do {
        for (const [name, bytes] of [...attacks, ...readable]) {
          seen.length = 0
          await exchange(router.http, Buffer.from(bytes.replaceAll('HOST', host), 'latin1'), answered)
          await honest(target, run, `after ${name}`)
          const allowed = readable.some(([known]) => known === name)
          if (allowed)
            run.expect(
              seen.every(({ url, headers }) => (url === '/mark' || url === '/smuggled') && !headers.some((text) => /[\r\n]/.test(text))),
              `${engine}: ${name}: the app saw ${JSON.stringify(seen)}`,
            )
          else run.expect(seen.length <= 1, `${engine}: ${name}: the app saw ${JSON.stringify(seen)}`)
          for (const fault of target.faults.splice(0))
            if (!allowed || !fault.startsWith('a smuggled')) run.fault(`${engine}: ${name}: ${fault}`)
          run.count(1)
        }
      } while (run.sound && performance.now() < end)
    }),
}
