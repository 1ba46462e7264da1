import tap, { test } from 'tap'
import { mostBeneath } from '../../src/mesh/rules/hosts.ts'
import { ask, Copilot } from './harness.ts'
import { hello, route } from './records.ts'

test('a trace knows which hosts a wildcard of the operator’s shapes', async (t) => {
  const copilot = await Copilot.start(tap)
  const host = (position: number): string => `h${String(position).padStart(4, '0')}.shop.test`
  const hosts = [
    ...Array.from({ length: mostBeneath + 1 }, (_none, position) => host(position)),
    '*.shop.test',
    'a.other.test',
    'xshop.test',
  ]
  await copilot.put('e1', [...hello, ...hosts.map((one) => route(one, 'hello-guid', []))])
  const rule = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'all' },
    spec: { hosts: ['*.shop.test'], http: [{ directResponse: { status: 418 } }] },
  }
  t.match(await ask('POST', `${copilot.api}/v1/resources/apply`, { documents: [rule], namespace: 'mesh-system' }), { status: 200 })
  const shaped = async (host: string): Promise<boolean> => (await copilot.get(`/v1/trace?host=${host}`)).body.status === 418
  t.ok(await shaped(host(0)))
  t.ok(await shaped(host(mostBeneath - 1)), 'the last of the first')
  t.notOk(await shaped(host(mostBeneath)))
  t.ok(await shaped('any.shop.test'), 'the wildcard route, which is what the rule names')
})
