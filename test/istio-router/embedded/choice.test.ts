import { test } from 'tap'
import type { Peer } from '../../../src/istio-router/embedded/downstream.ts'
import { chooseChain } from '../../../src/istio-router/embedded/listener/choice.ts'
import type { ChainMatch } from '../../../src/istio-router/embedded/resources/listener.ts'

const range = (address: string, bits: number) => ({ address, bits })
const chain = (name: string, match: Partial<ChainMatch> = {}) => ({
  name,
  match: { destinations: [], serverNames: [], peers: [], sources: [], ...match },
})
const peer = (more: Partial<Peer> = {}): Peer => ({
  remoteAddress: '192.0.2.1',
  remotePort: 1,
  localAddress: '10.0.0.1',
  localPort: 443,
  directAddress: '192.0.2.1',
  tlsVersion: undefined,
  tlsCipher: undefined,
  serverName: undefined,
  clientCertificate: undefined,
  ...more,
})

test('an exact name comes before a wildcard, the longer wildcard before the shorter, and all before a chain without names', (t) => {
  const chains = [
    chain('any'),
    chain('wide', { serverNames: ['*.test'] }),
    chain('narrow', { serverNames: ['*.shop.test'] }),
    chain('exact', { serverNames: ['a.shop.test', 'b.test'] }),
  ]
  const chosen = (serverName?: string) => chooseChain(chains, peer({ serverName }))?.name
  t.strictSame(['a.shop.test', 'b.test', 'c.shop.test', 'x.y.shop.test', 'c.test', 'test', undefined].map(chosen), [
    'exact',
    'exact',
    'narrow',
    'narrow',
    'wide',
    'any',
    'any',
  ])
  t.equal(chooseChain(chains.slice(1), peer({ serverName: 'else' })), undefined)
  t.end()
})

test('where a connection was made to comes before its name, and its name before who made it', (t) => {
  const chains = [
    chain('there', { destinations: [range('10.0.0.0', 8)], serverNames: ['a.test'] }),
    chain('here', { destinations: [range('10.0.0.1', 32)] }),
    chain('trusted', { serverNames: ['a.test'], peers: [range('192.0.2.0', 24)] }),
    chain('others', { serverNames: ['a.test'] }),
    chain('v6', { serverNames: ['a.test'], peers: [range('2001:db8::', 32)] }),
  ]
  const chosen = (more: Partial<Peer>) => chooseChain(chains, peer({ serverName: 'a.test', ...more }))?.name
  t.equal(chosen({}), 'here')
  t.equal(chosen({ localAddress: '10.0.0.2' }), 'there')
  t.equal(chosen({ localAddress: '172.16.0.1' }), 'trusted')
  t.equal(chosen({ localAddress: '172.16.0.1', directAddress: '198.51.100.1' }), 'others')
  t.equal(chosen({ localAddress: '172.16.0.1', directAddress: '2001:db8::1' }), 'v6')
  t.end()
})
