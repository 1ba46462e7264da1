import * as fc from 'fast-check'
import { damagedText } from './support/damage.ts'
import { exchangeAndEnd } from './support/socket.ts'
import { attackEngines, honest } from './support/target.ts'
import type { Part } from './support/run.ts'

const token = fc.string({
  unit: fc.constantFrom(...Buffer.from('abXY-_!.:;,/ \t\0\r\n\x7f\xff%"()', 'latin1')).map((byte) => String.fromCharCode(byte)),
  minLength: 1,
  maxLength: 8,
})
const header = fc.oneof(
  fc.constantFrom(
    'content-length: 3',
    'content-length: 0',
    'content-length: 3, 3',
    'transfer-encoding: chunked',
    'transfer-encoding: identity',
    'transfer-encoding : chunked',
    'connection: close',
    'connection: upgrade',
    'upgrade: websocket',
    'expect: 100-continue',
    'te: trailers',
    'trailer: x',
    'x-forwarded-for: 1.2.3.4',
    'cookie: a=b',
    'x-cf-app-instance: a:0',
    'host: other',
    ' folded',
    'range: bytes=0-1',
  ),
  fc.tuple(token, token).map(([name, value]) => `${name}: ${value}`),
)
const target = fc.oneof(
  fc.constantFrom('/', '/a', '*', 'http://HOST/', 'http://other/', '//a', '/a?b#c', '/%00', '/..;/a', '/%2e%2e/%2F', ''),
  token.map((text) => `/${text}`),
)
const body = fc.oneof(
  fc.constantFrom(
    '',
    'abc',
    '3\r\nabc\r\n0\r\n\r\n',
    '0\r\n\r\n',
    '3;x=y\r\nabc\r\n0\r\nx: y\r\n\r\n',
    'ffffffffffffffff\r\n',
    '-1\r\n',
    'GET /smuggled HTTP/1.1\r\nhost: HOST\r\n\r\n',
  ),
  token,
)
const request = fc
  .record({
    method: fc.oneof(fc.constantFrom('GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'CONNECT', 'PRI'), token),
    target,
    version: fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/1.1 x'),
    headers: fc.array(header, { maxLength: 4 }),
    body,
  })
  .map(
    ({ method, target: where, version, headers, body: content }) =>
      `${method} ${where} ${version}\r\nhost: HOST\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n${content}`,
  )
const connections = fc.oneof(
  { weight: 6, arbitrary: damagedText(fc.array(request, { minLength: 1, maxLength: 3 }).map((requests) => requests.join(''))) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
)

/** Connections to the embedded engine with HTTP/1.1 that is not quite so. */
export const http1: Part = {
  name: 'http1',
  what: 'HTTP/1.1 at the embedded engine',
  run: (run) =>
    attackEngines(
      run,
      async (target) => {
        const { router, host } = target
        await run.property(connections, async (bytes) => {
          const answer = await exchangeAndEnd(router.http, Buffer.from(bytes.toString('latin1').replaceAll('HOST', host), 'latin1'))
          if (answer.length && !/^HTTP\/1\.1 [1-5]\d\d /.test(answer.toString('latin1', 0, 20)))
            throw new Error(`answered ${answer.toString('latin1', 0, 100)}`)
          // A pipelined request for /smuggled that stands by itself is no smuggling.
          target.faults.splice(0, Infinity, ...target.faults.filter((fault) => !fault.startsWith('a smuggled')))
          target.seen.length = 0
          const [fault] = target.faults
          if (fault) throw new Error(fault)
        })
        await honest(target, run, 'after them')
      },
      ['embedded'],
    ),
}
