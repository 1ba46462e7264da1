import { hash } from 'node:crypto'
import { random } from './random.ts'
import { withinLoad } from './bounded-load.ts'
import type { Candidate, MakeBalancer } from './balancer.ts'

/**
 * Maglev's consistent hashing (Eisenbud et al.): a table of prime size that endpoints fill in turn, each by a permutation of its own.
 * Evener than a ring and found in one step; an endpoint that comes or goes moves few others. Requests without hash go anywhere.
 */
export function maglev(size: number, balanceFactor: number | undefined): MakeBalancer {
  return (endpoints) => {
    const anywhere = random(endpoints)
    const table = makeTable(endpoints, size)
    return {
      pick(excluded, hash) {
        if (hash === undefined) return anywhere.pick(excluded)
        let at = hash
        return withinLoad(endpoints, balanceFactor, excluded, Math.min(size, 64 * endpoints.length), () => endpoints[table[at++ % size]!]!)
      },
    }
  }
}

function makeTable(endpoints: readonly Candidate[], size: number): Uint32Array {
  const none = 0xffffffff
  const table = new Uint32Array(size).fill(none)
  if (endpoints.length === 0) return table
  const most = Math.max(...endpoints.map(({ weight }) => weight))
  const turns = endpoints.map(({ key, weight }) => {
    const digest = hash('sha1', key, 'buffer')
    return { at: digest.readUInt32LE(0) % size, skip: (digest.readUInt32LE(4) % (size - 1)) + 1, share: weight / most, due: 0 }
  })
  for (let filled = 0, round = 1; filled < size; round++) {
    for (let index = 0; index < turns.length && filled < size; index++) {
      const turn = turns[index]!
      // An endpoint of half the weight takes every second turn.
      if (round * turn.share < turn.due) continue
      turn.due++
      while (table[turn.at] !== none) turn.at = (turn.at + turn.skip) % size
      table[turn.at] = index
      filled++
    }
  }
  return table
}
