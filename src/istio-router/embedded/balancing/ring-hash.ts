import { hash } from 'node:crypto'
import { random } from './random.ts'
import { withinLoad } from './bounded-load.ts'
import type { Candidate, MakeBalancer } from './balancer.ts'

/** Largest ring, so that making one takes a few tens of milliseconds. */
export const largestRing = 131_072

/**
 * Consistent hashing on a ring (Karger et al.): an endpoint stands at many places, as its weight says, and has the requests whose hashes
 * lie before one of them; one that comes or goes moves no others. Requests without hash go anywhere.
 */
export function ringHash(minimumSize: number, balanceFactor: number | undefined): MakeBalancer {
  return (endpoints) => {
    const anywhere = random(endpoints)
    const { places, owners } = makeRing(endpoints, Math.min(Math.max(minimumSize, endpoints.length), largestRing))
    return {
      pick(excluded, hash) {
        if (hash === undefined) return anywhere.pick(excluded)
        let at = firstFrom(places, hash)
        return withinLoad(endpoints, balanceFactor, excluded, places.length, () => {
          const endpoint = endpoints[owners[at % owners.length]!]!
          at++
          return endpoint
        })
      },
    }
  }
}

function makeRing(endpoints: readonly Candidate[], size: number): { places: Uint32Array; owners: Uint32Array } {
  const total = endpoints.reduce((sum, { weight }) => sum + weight, 0)
  const ring: number[] = []
  endpoints.forEach(({ key, weight }, index) => {
    const count = Math.max(1, Math.ceil((size * weight) / total))
    for (let i = 0; i < count; i++) ring.push(placeOf(key, i) * 2 ** 20 + index)
  })
  const sorted = Float64Array.from(ring).sort()
  return {
    places: Uint32Array.from(sorted, (entry) => Math.floor(entry / 2 ** 20)),
    owners: Uint32Array.from(sorted, (entry) => entry % 2 ** 20),
  }
}

let memo: { key: string; group: number; digest: Buffer } | undefined

/** The `n`th place of an endpoint; one SHA-1 gives five. */
function placeOf(key: string, n: number): number {
  const group = Math.floor(n / 5)
  if (memo?.key !== key || memo.group !== group) memo = { key, group, digest: hash('sha1', `${key}_${group}`, 'buffer') }
  return memo.digest.readUInt32LE((n % 5) * 4)
}

/** Position of the first place at or behind `hash`; behind the last one comes the first. */
function firstFrom(places: Uint32Array, hash: number): number {
  let [low, high] = [0, places.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (places[middle]! < hash) low = middle + 1
    else high = middle
  }
  return low === places.length ? 0 : low
}
