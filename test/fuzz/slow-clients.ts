import { setTimeout as delay } from 'node:timers/promises'
import type { Socket } from 'node:net'
import { exchange, open } from './support/socket.ts'
import { attackEngines, honest, type Target } from './support/target.ts'
import type { Part } from './support/run.ts'

const clients = 150
/** The routers' `requestHeadersTimeout` is 2 s; whoever takes longer is cut off soon after. */
const cutOff = 12_000

/** What a slow client sends, a piece every tenth of a second. */
const slow: [name: string, pieces: (host: string) => Iterable<string>, mustClose: boolean][] = [
  [
    'heads that never end',
    function* (host) {
      yield `GET / HTTP/1.1\r\nhost: ${host}\r\n`
      for (let i = 0; ; i++) yield `x-${i}: y\r\n`
    },
    true,
  ],
  [
    'heads letter by letter',
    function* (host) {
      yield* `GET /${'a'.repeat(1000)} HTTP/1.1\r\nhost: ${host}\r\n`
    },
    true,
  ],
  [
    'bodies byte by byte',
    function* (host) {
      yield `POST /slow HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 100000\r\n\r\n`
      for (;;) yield 'a'
    },
    false,
  ],
  [
    'the HTTP/2 preface letter by letter',
    function* () {
      yield* 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
      for (;;) yield ''
    },
    false,
  ],
]

const huge: [name: string, head: (host: string) => string][] = [
  ['a header of 1 MB', (host) => `GET /huge HTTP/1.1\r\nhost: ${host}\r\nx: ${'a'.repeat(1 << 20)}\r\n\r\n`],
  ['a URL of 1 MB', (host) => `GET /${'a'.repeat(1 << 20)} HTTP/1.1\r\nhost: ${host}\r\n\r\n`],
  [
    '10,000 headers',
    (host) => `GET /huge HTTP/1.1\r\nhost: ${host}\r\n${Array.from({ length: 10_000 }, (_, i) => `x-${i}: y\r\n`).join('')}\r\n`,
  ],
  ['a method of 1 MB', (host) => `${'A'.repeat(1 << 20)} / HTTP/1.1\r\nhost: ${host}\r\n\r\n`],
  [
    'a chunk extension of 1 MB',
    (host) => `POST /chunk HTTP/1.1\r\nhost: ${host}\r\ntransfer-encoding: chunked\r\n\r\n3;${'a'.repeat(1 << 20)}\r\nabc\r\n0\r\n\r\n`,
  ],
  [
    '10,000 trailers',
    (host) =>
      `POST /trailers HTTP/1.1\r\nhost: ${host}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n${Array.from({ length: 10_000 }, (_, i) => `x-${i}: y\r\n`).join('')}\r\n`,
  ],
]

/** Clients that take their time or send heads without measure: they are cut off or borne, and the others are served. */
export const slowClients: Part = {
  name: 'slow-clients',
  what: 'slow clients and huge headers at both engines',
  run: (run) =>
    attackEngines(run, async (target) => {
      const { engine, router, host, seen } = target
      const end = performance.now() + run.seconds * 500
      do {
        for (const [name, head] of huge) {
          await exchange(router.http, Buffer.from(head(host)), (received) => received.includes('\r\n\r\n'))
          await honest(target, run, `after ${name}`)
          run.expect(!seen.some(({ url }) => url === '/huge' || url.length > 100_000), `${engine}: ${name} reached the app`)
          run.count(1)
        }
        for (const [name, pieces, mustClose] of slow) {
          const sockets = Array.from({ length: clients }, () => open(router.http).resume())
          const closed = Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
          const dripping = sockets.map((socket) => drip(socket, pieces(host)))
          await honest(target, run, `beside ${name}`)
          if (mustClose) run.expect(await Promise.race([closed.then(() => true), delay(cutOff, false)]), `${engine}: ${name}: not cut off`)
          for (const socket of sockets) socket.destroy()
          await Promise.all(dripping)
          run.count(clients)
        }
        await unread(target)
        seen.length = 0
      } while (run.sound && performance.now() < end)
    }),
}

async function drip(socket: Socket, pieces: Iterable<string>): Promise<void> {
  for (const piece of pieces) {
    if (!socket.writable) return
    socket.write(piece)
    await delay(100)
  }
}

/** Uploads and pipelined requests by clients that never read an answer. */
async function unread({ router, host }: Target): Promise<void> {
  const sockets = Array.from({ length: 20 }, () => open(router.http).pause())
  for (const socket of sockets) socket.write(`GET /unread HTTP/1.1\r\nhost: ${host}\r\n\r\n`.repeat(2000))
  await delay(1000)
  for (const socket of sockets) socket.destroy()
}
