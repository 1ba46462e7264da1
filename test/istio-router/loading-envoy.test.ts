import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent } from 'undici'
import { test } from 'tap'
import { Registry } from 'prom-client'
import { validateConfig } from '../../src/common/config.ts'
import { createLogger } from '../../src/common/log.ts'
import type { Resource } from '../../src/common/xds/resources.ts'
import { RouterConfig } from '../../src/istio-router/config.ts'
import { EnvoyEngine } from '../../src/istio-router/envoy/engine.ts'
import { listenersFor } from '../../src/pilot/translate/listener.ts'
import { RouteConfigurationMaker } from '../../src/pilot/translate/route-configuration.ts'
import { readNode } from '../../src/pilot/translate/router-node.ts'
import { scopesFor } from '../../src/pilot/translate/routing-shape.ts'
import { bucketOf } from '../../src/mesh/bucket.ts'
import { settingsOf } from '../pilot/rig.ts'
import { envoyAbsent } from '../support/mesh.ts'
import { freePort } from '../support/program.ts'
import { eventually } from '../support/wait.ts'
import { clusterNamed, endpointsOf } from './resources.ts'

const count = 3_000
const { envoy } = RouterConfig.properties
const host = (n: number): string => `app-${n}.mesh.test`

for (const routingShape of ['rds', 'buckets'] as const)
  test(`Envoy serves before it has all routes: ${routingShape}`, { skip: envoyAbsent }, async (t) => {
    const settings = settingsOf({ routingShape })
    const engine = new EnvoyEngine({
      config: { name: 'router', envoy: validateConfig(envoy, { concurrency: 2, logLevel: 'critical', loadAtOnce: 100 }, 'envoy') },
      log: createLogger('test', 'silent'),
      metrics: new Registry(),
    })
    t.teardown(() => engine.stop())
    const app = createServer((request, response) => void request.pipe(response)).listen(0, '127.0.0.1')
    await once(app, 'listening')
    t.teardown(() => app.close())
    const port = await freePort()
    const agent = new Agent()
    t.teardown(() => agent.destroy())
    const ask = async (name: string, path = '/', body?: string): Promise<number> => {
      const answer = await agent.request({
        origin: `http://127.0.0.1:${port}`,
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: { host: name },
        ...(body === undefined ? {} : { body }),
      })
      const text = await answer.body.text()
      if (answer.statusCode === 200 && body !== undefined) t.equal(text, body, 'the body came through')
      return answer.statusCode
    }
    const route = (name: string): Resource[] => [clusterNamed(name), endpointsOf(name, [(app.address() as AddressInfo).port])]
    const clusters = [...Array(count).keys()].flatMap((n) => route(`pub/${host(n)}`))
    clusters.push(...route(`pub/${host(0)}/deep`), ...route('pub/*.wild.test'), ...route('pub/*.wild.test/p'))
    const searched = new Set([host(0), '*.wild.test'])
    const maker = new RouteConfigurationMaker({ settings })
    const configurations = (): Resource[] =>
      routingShape === 'rds'
        ? [maker.make('pub', 'pub', [], { beneath: new Set(), searched })]
        : [...Array(256).keys()].map((n) =>
            maker.make(`pub/${n}`, 'pub', [], {
              beneath: new Set(),
              searched: new Set([...searched].filter((name) => name.startsWith('*') || bucketOf(name) === n)),
            }),
          )
    const node = readNode('router', { listeners: [{ name: 'http', address: '127.0.0.1', port, tls: false }] })
    await engine.start()
    t.strictSame(await engine.apply({ changed: clusters, removed: [] }), [])
    t.strictSame(
      await engine.apply({ changed: [...listenersFor(node, settings), ...scopesFor(['pub'], settings), ...configurations()], removed: [] }),
      [],
    )
    await eventually(() => engine.condition().ready)
    const left = (): number => (engine.condition()['loading'] as number | undefined) ?? 0
    const everywhere = async (): Promise<void> => {
      t.ok(left() > count / 2, `${left()} hosts are still to be loaded`)
      t.strictSame(
        await Promise.all([
          ask(host(count - 1)),
          ask(host(count - 2), '/', 'a body'.repeat(5_000)),
          ask(host(0), '/deep/er'),
          ask('any.wild.test'),
          ask('other.wild.test', '/p'),
          ask('nowhere.mesh.test'),
        ]),
        [200, 200, 200, 200, 200, 404],
      )
      t.equal(await ask('nowhere.mesh.test'), 404)
      t.ok(left() > 0, `${left()} hosts are left`)
    }
    await everywhere()
    await eventually(() => left() === 0)
    t.equal(await ask(host(77)), 200)

    process.kill(engine.condition()['pid'] as number, 'SIGKILL')
    await eventually(async () => (await ask(host(count - 5)).catch(() => 0)) === 200)
    t.equal(engine.condition()['restarts'], 1)
    await everywhere()
    await eventually(() => left() === 0)
    t.strictSame(await Promise.all([1, 2, 3, count - 1].map((n) => ask(host(n)))), [200, 200, 200, 200])
  })
