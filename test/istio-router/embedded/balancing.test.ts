import { test } from 'tap'
import { balancers, type Candidate } from '../../../src/istio-router/embedded/balancing/balancer.ts'

interface Named extends Candidate {
  name: string
}

const endpoints = (...weights: number[]): Named[] => weights.map((weight, i) => ({ name: String.fromCharCode(97 + i), weight, active: 0 }))
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
  t.equal(count(order, 'a'), 0, 'of any two the other one is less busy')
  const [heavy] = endpoints(4)
  t.ok(count(names('LEAST_REQUEST', [{ ...heavy!, name: 'h', active: 2 }, { name: 'l', weight: 1, active: 0 }], 100), 'h') === 100, 'load counts by weight')
  t.end()
})

test('every balancer passes over what is excluded, and has nothing when nothing is left', (t) => {
  for (const policy of ['ROUND_ROBIN', 'RANDOM', 'LEAST_REQUEST'] as const) {
    for (const set of [endpoints(1, 1, 1), endpoints(1, 2, 3)]) {
      const balancer = balancers[policy](set)
      const [a, b, c] = set as [Named, Named, Named]
      for (let i = 0; i < 20; i++) t.equal(balancer.pick(new Set([a, c])), b)
      t.equal(balancer.pick(new Set([a, b, c])), undefined)
    }
    t.equal(balancers[policy]([]).pick(), undefined)
  }
  t.end()
})
