import type { Socket } from 'node:net'
import { endHeaders, endStream, frame, headerBlock, preface, settings, types, uint32 } from './support/http2-frames.ts'
import { open } from './support/socket.ts'
import { attackEngines, honest, type Target } from './support/target.ts'
import type { Part } from './support/run.ts'

/** Frames of a flood, unless the router closes before. */
const floodLength = 20_000
/** Connections that flood at once. */
const connections = 4
/** A flood that still goes on ends; milliseconds. */
const floodLimit = 8_000

interface Flood {
  name: string
  /** What opens the connection, before the flood. */
  begin?: (head: Buffer) => Buffer
  /** Frame number `i` of the flood. */
  frame: (i: number, head: Buffer) => Buffer
  /** The router has to end the connection, whatever it costs the client. */
  mustClose?: boolean
}

const stream = (i: number): number => i * 2 + 1
const cookies = headerBlock([['cookie', 'x'.repeat(1000)]])

/** What a client can send without end at little cost to itself (CVE-2019-9511…9518, CVE-2023-44487, CVE-2024-24549 and their kind). */
const floods: Flood[] = [
  {
    name: 'rapid reset',
    frame: (i, head) =>
      Buffer.concat([frame(types.headers, endHeaders | endStream, stream(i), head), frame(types.reset, 0, stream(i), uint32(8))]),
  },
  {
    name: 'CONTINUATION without end',
    begin: (head) => frame(types.headers, endStream, 1, head),
    frame: () => frame(types.continuation, 0, 1, cookies),
    mustClose: true,
  },
  {
    name: 'empty CONTINUATION without end',
    begin: (head) => frame(types.headers, endStream, 1, head),
    frame: () => frame(types.continuation, 0, 1),
    mustClose: true,
  },
  { name: 'SETTINGS', frame: () => settings([[4, 65_535]]) },
  { name: 'empty SETTINGS', frame: () => settings() },
  { name: 'PING', frame: (i) => frame(types.ping, 0, 0, Buffer.concat([uint32(i), uint32(0)])) },
  { name: 'empty DATA', begin: (head) => frame(types.headers, endHeaders, 1, head), frame: () => frame(types.data, 0, 1) },
  { name: 'PRIORITY', frame: (i) => frame(types.priority, 0, stream(i % 1000), Buffer.concat([uint32(0), Buffer.from([16])])) },
  { name: 'WINDOW_UPDATE', frame: () => frame(types.window, 0, 0, uint32(1)) },
  {
    name: 'requests whose answers have no window',
    begin: () => settings([[4, 0]]),
    frame: (i, head) => frame(types.headers, endHeaders | endStream, stream(i), head),
  },
  { name: 'RST_STREAM of streams that never were', frame: (i) => frame(types.reset, 0, stream(i), uint32(8)) },
]

/** Floods of HTTP/2 frames: the router ends them or bears them, and serves its other clients meanwhile. */
export const http2Floods: Part = {
  name: 'http2-floods',
  what: 'rapid reset, CONTINUATION, SETTINGS and other floods at both engines',
  run: (run) =>
    attackEngines(run, async (target) => {
      const attack = (flood: Flood): Promise<boolean>[] => Array.from({ length: connections }, () => pour(target, flood))
      // The memory is judged once the router has what the worst of them takes: Envoy's grows by steps for a minute.
      const warm = performance.now() + run.seconds * 500
      while (performance.now() < warm) {
        await Promise.all(attack(floods[0]!))
        target.seen.length = 0
      }
      const end = performance.now() + run.seconds * 1000
      do {
        for (const flood of floods) {
          const attackers = attack(flood)
          await honest(target, run, `during ${flood.name}`)
          const closed = await Promise.all(attackers)
          if (flood.mustClose) run.expect(closed.every(Boolean), `${target.engine}: ${flood.name}: the connection was not ended`)
          target.seen.length = 0
          run.count(connections)
        }
      } while (run.sound && performance.now() < end)
    }),
}

/** Sends a flood, as fast as the router takes it. Answers whether the router ended it. */
async function pour({ router, host }: Target, { begin, frame: next }: Flood): Promise<boolean> {
  const head = headerBlock([
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', host],
    [':path', '/flood'],
  ])
  const socket = open(router.http)
  const ended = new Promise<true>((resolve) => socket.once('close', () => resolve(true)))
  socket.resume()
  socket.write(
    Buffer.concat([preface, ...(begin ? [...(begin(head)[3] === types.settings ? [] : [settings()]), begin(head)] : [settings()])]),
  )
  const limit = new Promise<false>((resolve) => setTimeout(resolve, floodLimit, false).unref())
  const sent = write(socket, (i) => next(i, head))
  await Promise.race([sent, ended, limit])
  // What it makes of the last frames is its answer.
  socket.end()
  const closed = await Promise.race([ended, limit])
  socket.destroy()
  return closed
}

async function write(socket: Socket, next: (i: number) => Buffer): Promise<void> {
  const atOnce = 50
  for (let i = 0; i < floodLength && socket.writable; i += atOnce) {
    const more = socket.write(Buffer.concat(Array.from({ length: atOnce }, (_, j) => next(i + j))))
    if (!more) await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve))
  }
}
