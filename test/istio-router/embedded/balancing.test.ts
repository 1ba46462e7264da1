import { test } from 'tap'
import type { Candidate, MakeBalancer } from '../../../src/istio-router/embedded/balancing/balancer.ts'
import { leastRequest } from '../../../src/istio-router/embedded/balancing/least-request.ts'
import { byLocality } from '../../../src/istio-router/embedded/balancing/localities.ts'
import { maglev } from '../../../src/istio-router/embedded/balancing/maglev.ts'
import { random } from '../../../src/istio-router/embedded/balancing/random.ts'
import { ringHash } from '../../../src/istio-router/embedded/balancing/ring-hash.ts'
import { roundRobin } from '../../../src/istio-router/embedded/balancing/round-robin.ts'
import { hashOf } from '../../../src/istio-router/embedded/routing/hash-policy.ts'

const balancers = {
  ROUND_ROBIN: roundRobin(false),
  RANDOM: random,
  LEAST_REQUEST: leastRequest(8, false),
  WARMING_UP: roundRobin(true),
  RING: ringHash(1024, undefined),
  MAGLEV: maglev(5003, undefined),
} satisfies Record<string, MakeBalancer>

interface Named extends Candidate {
  name: string
}

const endpoints = (...weights: number[]): Named[] =>
  weights.map((weight, i) => ({ name: String.fromCharCode(97 + i), key: `10.0.0.${i}:80`, weight, active: 0 }))
const names = (policy: keyof typeof balancers, set: Named[], picks: number): string[] => {
  const balancer = balancers[policy](set)
  return Array.from({ length: picks }, () => balancer.pick()!.name)
}
const count = (list: string[], name: string): number => list.filter((other) => other === name).length

test('round robin takes each in turn', (t) => {
  const order = names('ROUND_ROBIN', endpoints(1, 1, 1), 6)
  t.equal(new Set(order.slice(0, 3)).size, 3)
  t.strictSame(order.slice(0, 3), order.slice(3))
  t.end()
})

test('round robin with weights gives exact shares, evenly spread', (t) => {
  const order = names('ROUND_ROBIN', endpoints(9, 1), 1000)
  t.equal(count(order, 'a'), 900)
  for (let i = 0; i < 1000; i += 10) t.ok(count(order.slice(i, i + 10), 'b') <= 2)
  const uneven = names('ROUND_ROBIN', endpoints(3, 3, 2, 500_000), 500_008)
  t.ok(Math.abs(count(uneven, 'd') - 500_000) <= 1)
  t.end()
})

test('random takes any with the same chance', (t) => {
  const order = names('RANDOM', endpoints(1, 5), 20_000)
  // Binomial with n = 20,000 and p = 0.5: six standard deviations are 424.
  t.ok(Math.abs(count(order, 'a') - 10_000) < 424)
  t.end()
})

test('least request prefers who has less to do', (t) => {
  const set = endpoints(1, 1, 1)
  set[0]!.active = 100
  const order = names('LEAST_REQUEST', set, 3000)
  // All of eight draws are the busy one once in 6561 times: in 3000 more than 10 once in 10¹⁰.
  t.ok(count(order, 'a') <= 10, 'of any two the other one is less busy')
  const [heavy, light] = endpoints(12, 1)
  const weighted = count(
    names(
      'LEAST_REQUEST',
      [
        { ...heavy!, name: 'h', active: 2 },
        { ...light!, name: 'l' },
      ],
      1000,
    ),
    'h',
  )
  t.ok(Math.abs(weighted - 800) <= 2, 'load counts by weight')
  t.end()
})

test('every balancer passes over what is excluded, and has nothing when nothing is left', (t) => {
  for (const policy of Object.keys(balancers) as (keyof typeof balancers)[]) {
    for (const set of [endpoints(1, 1, 1), endpoints(1, 2, 3)]) {
      const balancer = balancers[policy](set)
      const [a, b, c] = set as [Named, Named, Named]
      for (let i = 0; i < 20; i++) t.equal(balancer.pick(new Set([a, c]), i % 2 ? hashOf(String(i)) : undefined), b)
      t.equal(balancer.pick(new Set([a, b, c]), 1), undefined)
    }
    t.equal(balancers[policy]([]).pick(), undefined)
  }
  t.end()
})

const chosen = (make: MakeBalancer, set: Named[]): string[] => {
  const balancer = make(set)
  return Array.from({ length: 5000 }, (_value, i) => balancer.pick(undefined, hashOf(`request ${i}`))!.name)
}

// A ring of a given size has more places for each of fewer endpoints, so that some more requests move.
for (const [name, make, spread, moving] of [
  ['a ring', ringHash(16_384, undefined), 0.2, 800],
  ['a table', maglev(65_537, undefined), 0.1, 250],
] as const) {
  test(`${name} gives each endpoint its share, and few requests to another one when one comes or goes`, (t) => {
    const set = endpoints(1, 1, 1, 1, 2)
    const before = chosen(make, set)
    for (const { name: endpoint, weight } of set)
      t.ok(Math.abs(count(before, endpoint) / 5000 / (weight / 6) - 1) < spread, `${endpoint}: ${count(before, endpoint)}`)
    t.strictSame(chosen(make, endpoints(1, 1, 1, 1, 2)), before)
    const without = chosen(make, set.slice(1))
    const moved = without.filter((endpoint, i) => endpoint !== before[i] && before[i] !== 'a').length
    t.ok(moved < moving, `${moved} of 5000 moved that need not`)
    t.end()
  })
}

test('by hash nobody has more to do than the bound says, where there is one', (t) => {
  for (const make of [ringHash(1024, 125), maglev(5003, 125)]) {
    const set = endpoints(1, 1, 1, 1)
    const balancer = make(set)
    for (let i = 0; i < 400; i++) balancer.pick(undefined, 7)!.active++
    // 125 % of the mean of 100.
    for (const { active } of set) t.ok(active <= 126, String(active))
  }
  t.end()
})

const placed = (...places: [name: string, priority: number, locality: string, healthy: boolean][]) =>
  places.map(([name, priority, locality, healthy], i) => ({
    name,
    key: String(i),
    weight: 1,
    active: 0,
    priority,
    locality,
    localityWeight: locality === 'z1' ? 80 : 20,
    healthy,
  }))
const localities = (set: ReturnType<typeof placed>, options: { weighted?: boolean; panic?: number } = {}): string[] => {
  const balancer = byLocality(set, { weighted: false, overprovisioning: 140, panic: 0, ...options }, random)
  return Array.from({ length: 4000 }, () => balancer.pick()?.name ?? 'none')
}

test('the next priority gets what the first cannot take, and nothing before', (t) => {
  t.equal(count(localities(placed(['a', 0, '', true], ['b', 1, '', true])), 'a'), 4000)
  t.equal(count(localities(placed(['a', 0, '', false], ['b', 1, '', true])), 'b'), 4000)
  const half = localities(placed(['a', 0, '', true], ['x', 0, '', false], ['b', 1, '', true]))
  // Half of the first times 140 %; six standard deviations are 174.
  t.ok(Math.abs(count(half, 'a') - 2800) < 174)
  t.equal(count(half, 'b'), 4000 - count(half, 'a'))
  t.end()
})

test('priorities that a retry avoids are asked only where there is no other', (t) => {
  const set = placed(['a', 0, '', true], ['b', 1, '', true], ['c', 1, '', true], ['d', 2, '', false])
  const balancer = byLocality(set, { weighted: false, overprovisioning: 140, panic: 0 }, random)
  const asked = (...avoided: number[]): string =>
    [...new Set(Array.from({ length: 100 }, () => balancer.pick(undefined, undefined, new Set(avoided))?.name))]
      .toSorted((a, b) => String(a).localeCompare(String(b)))
      .join()
  t.equal(asked(), 'a')
  t.equal(asked(0), 'b,c')
  t.equal(asked(1), 'a')
  t.equal(asked(0, 1), 'a', 'in the last one nobody is well, so that all begins anew')
  t.end()
})

test('localities share by weight, as far as they are healthy', (t) => {
  const all = localities(placed(['a', 0, 'z1', true], ['b', 0, 'z2', true], ['c', 0, 'z2', true]), { weighted: true })
  t.ok(Math.abs(count(all, 'a') - 3200) < 155)
  t.equal(count(localities(placed(['a', 0, 'z1', false], ['b', 0, 'z2', true]), { weighted: true }), 'b'), 4000)
  t.end()
})

test('with nobody healthy there is nobody, unless panic is allowed', (t) => {
  const ill = placed(['a', 0, '', false], ['b', 0, '', false])
  t.equal(count(localities(ill), 'none'), 4000)
  t.equal(count(localities(ill, { panic: 50 }), 'none'), 0)
  const one = localities(placed(['a', 0, '', false], ['b', 0, '', true]), { panic: 60 })
  t.ok(Math.abs(count(one, 'a') - 2000) < 190, 'below the threshold the ill are asked too')
  t.end()
})
