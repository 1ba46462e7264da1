import { test } from 'tap'
import { together } from '../../src/pilot/translate/feature.ts'
import { listenersFor } from '../../src/pilot/translate/listener.ts'
import { duration } from '../../src/pilot/translate/proto.ts'
import { readNode } from '../../src/pilot/translate/router-node.ts'
import { settingsOf } from './rig.ts'

const http = { name: 'http', address: '0.0.0.0', port: 8080 }

test('a node says what its listeners are; what it leaves out has a default', (t) => {
  t.same(readNode('r', { listeners: [http], futureField: 1 }).listeners, [
    { ...http, tls: false, clientCertificates: 'none', exposure: 'pub', proxyProtocol: false },
  ])
  t.same(readNode('r', undefined).listeners, [])
  t.end()
})

test('a node that describes itself wrongly is told every fault', (t) => {
  for (const [metadata, faults] of [
    [{ listeners: [{ ...http, port: 0 }], trustedHops: -1 }, [/listeners\[0\].port: must be >= 1/, /trustedHops/]],
    [{ listeners: [{ ...http, exposure: 'all' }] }, [/exposure: must be one of pub, int/]],
    [{ listeners: [{ name: 'x' }] }, [/listeners\[0\].address: is required/]],
    [{ listeners: [http, http] }, [/two are named http/]],
    [{ listeners: [{ ...http, tls: true }] }, [/keypairs: a listener with TLS needs at least one/]],
    [{ trustedCidrs: ['10.0.0.0'] }, [/trustedCidrs/]],
    ['text', [/must be object/]],
  ] as const) {
    for (const fault of faults) t.throws(() => readNode('r1', metadata), { code: 'MESH_NODE_INVALID', message: fault })
  }
  t.end()
})

test('listeners of one description have one version, whoever makes them', (t) => {
  const node = readNode('a', { listeners: [http] })
  t.same(
    listenersFor(node, settingsOf()).map(({ version }) => version),
    listenersFor(readNode('b', { listeners: [http] }), settingsOf()).map(({ version }) => version),
  )
  t.notSame(listenersFor(node, settingsOf())[0]?.version, listenersFor(node, settingsOf({ streamIdleTimeout: '2h' }))[0]?.version)
  t.end()
})

test('settings are checked', (t) => {
  t.equal(settingsOf().requestTimeout, '15m')
  for (const wrong of [
    { requestTimeout: 900 },
    { connectTimeout: '0s' },
    { connectTimeout: '5' },
    { attempts: 0 },
    { loadBalancing: 'hash' },
    { unknown: 1 },
  ]) {
    t.throws(() => settingsOf(wrong), { code: 'MESH_CONFIG_INVALID' }, JSON.stringify(wrong))
  }
  t.end()
})

test('a duration is written with its unit', (t) => {
  for (const [text, seconds, nanos] of [
    ['1500ms', 1n, 500_000_000],
    ['30s', 30n, 0],
    ['15m', 900n, 0],
    ['1h', 3600n, 0],
  ] as const) {
    t.match(duration(text), { seconds, nanos }, text)
  }
  t.end()
})

test('two features that set one field are a mistake', (t) => {
  t.same(together<object>([{ a: 1 }, { b: 2 }]), { a: 1, b: 2 })
  t.throws(() => together<object>([{ a: 1 }, { a: 1 }]), /two features set a/)
  t.end()
})
