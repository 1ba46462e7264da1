import { Registry } from 'prom-client'
import { test } from 'tap'
import { Ejections } from '../../src/istio-router/ejections.ts'

const times = { interval: 10, base: 100, most: 250 }
const one = { cluster: 'pub/a', address: '10.0.0.1:1', instance: 'guid', cause: 'consecutive-5xx' }

function kept() {
  const metrics = new Registry()
  let now = 0
  const ejections = new Ejections(metrics, () => now)
  return { ejections, metrics, at: (moment: number): void => void (now = moment) }
}

test('an ejection lasts longer each time, up to a bound, and is forgiven by as many intervals', (t) => {
  const { ejections, at } = kept()
  const lasts = (moment: number): number => {
    at(moment)
    ejections.ejected(one, times)
    const [{ since, until } = { since: '', until: '' }] = ejections.list()
    return Date.parse(until) - Date.parse(since)
  }
  t.equal(lasts(0), 100)
  at(100)
  ejections.returned('pub/a', '10.0.0.1:1')
  t.match(ejections.list(), [{ state: 'half-open', times: 1 }])
  t.equal(lasts(105), 200)
  at(305)
  ejections.returned('pub/a', '10.0.0.1:1')
  t.equal(lasts(310), 250)
  ejections.returned('pub/a', '10.0.0.1:1')
  at(320)
  t.match(ejections.list(), [{ state: 'half-open', times: 3 }])
  at(340)
  t.strictSame(ejections.list(), [])
  t.equal(lasts(350), 100)
  t.match(ejections.list(), [{ state: 'open', times: 4 }])
  t.end()
})

test('what is gone is forgotten, and the count of ejections stays', async (t) => {
  const { ejections, metrics } = kept()
  ejections.ejected(one, times)
  ejections.ejected({ ...one, address: '10.0.0.2:1' }, times)
  ejections.keep('pub/b', () => {
    throw new Error('nothing is known of it')
  })
  ejections.keep('pub/a', () => ['10.0.0.2:1'])
  t.match(ejections.list(), [{ address: '10.0.0.2:1' }])
  t.equal(ejections.list().length, 1)
  t.match(await metrics.metrics(), /mesh_router_ejected 1/)
  ejections.forget('pub/a')
  t.strictSame(ejections.list(), [])
  const text = await metrics.metrics()
  t.match(text, /mesh_router_ejections_total 2/)
  t.match(text, /mesh_router_ejected 0/)
})
