import { test } from 'tap'
import * as fc from 'fast-check'
import { endpointWeights } from '../../src/pilot/translate/weights.ts'

/** Weights for destinations of these weights and instance counts. */
const weigh = (...destinations: [weight: number | undefined, count: number][]) =>
  endpointWeights(
    destinations.map(([weight]) => ({ weight })),
    destinations.flatMap(([, count], destination) => Array.from({ length: count }, () => ({ destination }))),
  )

test('weights hold whatever the number of instances', (t) => {
  t.same(weigh([90, 1], [10, 1]).weights, [9, 1])
  t.same(weigh([9, 1], [1, 3]).weights, [27, 1, 1, 1])
  t.same(weigh([50, 2], [50, 3]).weights, [3, 3, 2, 2, 2])
  t.same(weigh([100, 3]).weights, [1, 1, 1])
  t.same(weigh([50, 0], [30, 2], [20, 1]).weights, [3, 3, 4], 'one without instances leaves its share')
  t.same(weigh([3, 1], [undefined, 1]).weights, [3, 1], 'none beside others counts as 1')
  t.end()
})

test('without weights all weigh the same', (t) => {
  t.same(weigh([undefined, 2], [undefined, 1]), { weights: undefined, error: 0 })
  t.same(weigh([5, 0]), { weights: undefined, error: 0 })
  t.end()
})

test('shares are exact, or as far off as stated, within the bounds of Envoy', (t) => {
  const counts = fc.array(fc.tuple(fc.integer({ min: 1, max: 100 }), fc.oneof(fc.nat(5), fc.nat(1000))), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(counts, (destinations) => {
      const served = destinations.filter(([, count]) => count > 0)
      const { weights, error } = weigh(...destinations)
      if (!weights) return served.length === 0
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const wanted = served.reduce((sum, [weight]) => sum + weight, 0)
      let at = 0
      const close = served.every(([weight, count]) => {
        const share = (weights[at]! * count) / total
        at += count
        return Math.abs(share / (weight / wanted) - 1) <= 2.1 * error + 1e-9
      })
      return (
        close &&
        error < 0.5 &&
        total <= 4_294_967_295 &&
        weights.every((weight) => Number.isInteger(weight) && weight >= 1 && weight <= 1_000_000)
      )
    }),
    { numRuns: 500 },
  )
  t.end()
})

test('weights that grow too large are scaled, and the error is stated', (t) => {
  const { weights, error } = weigh([1, 997], [100, 991], [37, 983])
  t.ok(Math.max(...weights!) === 1_000_000)
  t.ok(error > 0 && error < 0.001, String(error))
  t.end()
})
