import { behaviour } from '../support/conformance.ts'
import { ask } from '../support/client.ts'
import { gateway } from '../support/gateways.ts'
import { startLoad } from '../support/load.ts'
import type { Server, VirtualServiceSpec } from '../../src/mesh/istio/types.ts'
import { destinationRule, subsets, to, virtualService } from '../support/rules.ts'

/** Requests a second that are asked for; a machine that is busy gives fewer. */
const rate = 1000

/** How many requests follow on each change before the next. */
const between = 1000

behaviour('rules change under load and not one request fails', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serveVersions({ v1: { instances: 2 }, v2: { instances: 2 } })
  const split = (first: string, second: string, weight: number, ...gateways: string[]): object => {
    const rules = virtualService(
      host,
      { match: [{ headers: { 'x-never': { exact: 'x' } } }], fault: { abort: { httpStatus: 555 } }, route: [to(host, first)] },
      {
        route: [
          { ...to(host, first), weight },
          { ...to(host, second), weight: 100 - weight },
        ],
      },
    ) as { spec: VirtualServiceSpec }
    return gateways.length ? { ...rules, spec: { ...rules.spec, gateways } } : rules
  }
  const both = [...subsets('v1', 'v2'), { name: 'blue', labels: { version: 'v1' } }, { name: 'green', labels: { version: 'v2' } }]
  const plain = (number: number): Server => ({ port: { number, name: `http-${number}`, protocol: 'HTTP' }, hosts: [host] })
  const leased = router.gatewayPorts[8081]!
  const served = (port: number): Promise<boolean> =>
    ask(port, host).then(
      ({ status }) => status === 200,
      () => false,
    )
  await apply(destinationRule(host, { subsets: subsets('v1', 'v2') }), split('v1', 'v2', 50))

  const load = startLoad(router, host, { rate, good: (body) => /^v[12]$/.test(body) })
  t.teardown(() => load.stop())
  let [changes, during] = [0, 0]
  /** Makes a change while requests come in, sees it hold, and lets as many more come as are to follow on it. */
  const change = async (make: () => Promise<unknown>): Promise<void> => {
    const { sent } = load
    await make()
    during += load.sent - sent
    await load.further(between)
    changes++
  }
  await load.further(between)
  for (let round = 0; round < 2; round++) {
    const name = `under-load-${router.engine}-${round}`
    for (const weight of [90, 10, 50]) await change(() => apply(split('v1', 'v2', weight)))
    // A subset that is renamed: the new name beside the old one, then the rule, then the old one away.
    await change(() => apply(destinationRule(host, { subsets: both })))
    await change(() => apply(split('blue', 'green', 30)))
    await change(() => apply(destinationRule(host, { subsets: both.slice(2) })))
    // A Gateway for the port that is asked, then with a port that it opens, and the rule bound to it too.
    await change(() => apply(gateway(router, name, [plain(80)])))
    await change(() =>
      apply(gateway(router, name, [plain(80), plain(8081)]), split('blue', 'green', 30, 'mesh', name)).then(() =>
        mesh.eventually(() => served(leased)),
      ),
    )
    // Both names at once: the rule and what it names change together, and the Gateway has its rule no more.
    await change(() => apply(destinationRule(host, { subsets: subsets('v1', 'v2') }), split('v1', 'v2', 50)))
    await change(async () => {
      await mesh.call('DELETE', `/v1/resources/gateway/space/${name}`)
      await mesh.eventually(async () => !(await served(leased)))
    })
  }
  await load.stop()
  t.same(load.failures.slice(0, 5), [], `${load.failures.length} of ${load.sent} requests failed`)
  t.equal(load.answered, load.sent)
  t.ok(load.sent >= (changes + 1) * between, `${load.sent} requests around ${changes} changes`)
  t.ok(during > 0, `${during} of them while something changed`)
  t.comment(`${load.sent} requests around ${changes} changes, ${during} of them until a change held, ${load.rate} a second of ${rate}`)
})
