import { test } from 'tap'
import type { GatewayChain } from '../../src/pilot/rules/gateway-chains.ts'
import { everywhere } from '../../src/pilot/translate/gateways/everywhere.ts'

const chain = (id: string, serverNames: string[], subnets: string[] = []): GatewayChain => ({
  id,
  source: id,
  arrival: { port: 443, selector: {} },
  serverNames,
  subnets,
})
const shown = (...chains: GatewayChain[]): string[] =>
  everywhere(chains).map(({ id, serverNames, subnets }) => `${id}: ${serverNames.join()} at ${subnets.join()}`)

test('chains for some addresses hide no others there', (t) => {
  t.same(shown(chain('a', ['a.test', 'b.test']), chain('b', ['b.test'], ['10.0.0.0/8'])), [
    'a: a.test,b.test at ',
    'b: b.test at 10.0.0.0/8',
    'a: a.test at 10.0.0.0/8',
  ])
  t.same(shown(chain('wide', ['a.test'], ['10.0.0.0/8']), chain('narrow', ['b.test'], ['10.1.0.0/16'])), [
    'wide: a.test at 10.0.0.0/8',
    'narrow: b.test at 10.1.0.0/16',
    'wide: a.test at 10.1.0.0/16',
  ])
  t.same(shown(chain('a', [], ['192.0.2.0/24']), chain('b', [])), ['a:  at 192.0.2.0/24', 'b:  at '])
  t.end()
})

test('of chains for the same connections the first has them, however the addresses are written', (t) => {
  t.same(shown(chain('a', ['a.test'], ['10.1.2.3/8']), chain('b', ['a.test'], ['10.0.0.0/8', '2001:db8:0::/32'])), [
    'a: a.test at 10.0.0.0/8',
    'b: a.test at 2001:db8::/32',
  ])
  t.end()
})
