import { test } from 'tap'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { LastGood } from '../../src/istio-router/envoy/last-good.ts'
import type { Resource } from '../../src/common/xds/resources.ts'
import { clusterNamed, removal } from './resources.ts'

const [first, second] = ['one', 'two'].map((altStatName) => clusterNamed('a', { altStatName })) as [Resource, Resource]

test('a late refusal of what is in use no more takes nothing back', (t) => {
  const cache = new ResourceCache()
  const good = new LastGood(cache)
  for (const resource of [first, second]) {
    good.apply({ changed: [resource], removed: [] })
    t.same(good.settle([resource]), [])
  }
  const { typeUrl, name, version } = first
  t.same(good.refuse([{ typeUrl, name, version, reason: 'late' }]), [])
  t.equal(cache.get(typeUrl, name), second)

  const late = { typeUrl, name, version: second.version, reason: 'late' }
  t.same(good.refuse([late]), [late])
  t.equal(cache.get(typeUrl, name), undefined)
  good.apply({ changed: [], removed: [removal(second)] })
  t.same(good.refuse([late]), [])
  t.end()
})
