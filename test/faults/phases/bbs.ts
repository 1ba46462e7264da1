import { setTimeout as delay } from 'node:timers/promises'
import { create, toBinary } from '@bufbuild/protobuf'
import { DomainsResponseSchema } from '../../../src/common/proto/gen/bbs_pb.js'
import type { BbsDistortion } from '../support/bbs-proxy.ts'
import type { Phase } from './phase.ts'

const bbs = (name: string, distort: BbsDistortion, short = false): Phase => ({
  name: `BBS: ${name}`,
  short,
  run: async ({ platform }, { lying }) => {
    platform.bbs.distortion = distort
    await delay(lying)
    platform.bbs.distortion = {}
    // What was held back or left out is repaired by the read that follows a new connection.
    platform.bbs.cut()
  },
})

const isBulk = (path: string): boolean => path.endsWith('/list')

/** Keeps events back and lets them go in another order, some twice. */
function shuffling(): (event: Buffer) => Buffer[] {
  const held: Buffer[] = []
  return (event) => {
    held.push(Buffer.from(event))
    if (held.length < 4) return []
    return held.splice(0).sort(() => Math.random() - 0.5)
  }
}

/** The first part of a protobuf list that ends where a record ends. */
function wholeRecords(body: Buffer, share: number): Buffer {
  let at = 0
  for (const limit = body.length * share; at < limit;) {
    let [length, shift, next] = [0, 0, at + 1]
    for (; ; shift += 7) {
      const byte = body[next++]!
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    at = next + length
  }
  return body.subarray(0, at)
}

/** A BBS that lies, or is away. */
export const bbsPhases: Phase[] = [
  {
    name: 'BBS: event stream cut again and again',
    short: true,
    run: async ({ platform }, { lying }) => {
      for (const end = Date.now() + lying; Date.now() < end; await delay(400)) platform.bbs.cut()
    },
  },
  bbs('events twice', { event: (event) => [event, event] }),
  bbs('events out of order', { event: shuffling() }, true),
  bbs('events swallowed', { event: () => [] }),
  bbs('bulk lists cut short', { bulk: (path, body) => (isBulk(path) ? body.subarray(0, Math.floor(body.length * 0.6)) : body) }, true),
  bbs(
    'bulk lists cut between two records',
    { bulk: (path, body) => (path.endsWith('domains/list') || !isBulk(path) ? body : wholeRecords(body, 0.5)) },
    true,
  ),
  bbs(
    'stale: no domain fresh, lists empty',
    {
      bulk: (path, body) =>
        path === '/v1/domains/list'
          ? Buffer.from(toBinary(DomainsResponseSchema, create(DomainsResponseSchema, {})))
          : isBulk(path)
            ? Buffer.alloc(0)
            : body,
    },
    true,
  ),
  bbs('lists empty, domain fresh', { bulk: (path, body) => (path.endsWith('domains/list') || !isBulk(path) ? body : Buffer.alloc(0)) }),
  {
    name: 'BBS hangs',
    short: true,
    run: async ({ platform }, { paused }) => {
      platform.bbs.hold()
      await delay(paused)
      platform.bbs.release()
    },
  },
  {
    name: 'BBS away',
    short: true,
    run: async ({ platform }, { away }) => {
      await platform.bbs.close()
      await delay(away)
      await platform.bbs.listen()
    },
  },
]
