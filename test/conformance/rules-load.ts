import { Agent } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { behaviour } from '../support/conformance.ts'
import { ask } from '../support/client.ts'
import { typed } from '../support/mesh.ts'
import { destinationRule, subsets, to, virtualService } from '../support/rules.ts'

/** Requests a second that are asked for; a machine that is busy gives fewer. */
const rate = 1000

behaviour('rules change under load and not one request fails', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serveVersions({ v1: { instances: 2 }, v2: { instances: 2 } })
  const split = (first: string, second: string, weight: number): object =>
    virtualService(host, { match: [{ headers: { 'x-never': { exact: 'x' } } }], fault: { abort: { httpStatus: 555 } }, route: [to(host, first)] }, { route: [{ ...to(host, first), weight }, { ...to(host, second), weight: 100 - weight }] })
  await apply(destinationRule(host, { subsets: subsets('v1', 'v2') }), split('v1', 'v2', 50))

  const failures: string[] = []
  let [sent, running] = [0, true]
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  t.teardown(() => agent.destroy())
  const lane = async (): Promise<void> => {
    while (running) {
      const began = performance.now()
      sent++
      try {
        const { status, body } = await ask(router.http, host, { agent })
        if (status !== 200 || !/^v[12]$/.test(body)) failures.push(`${status} ${body}`)
      } catch (error) {
        failures.push(String(error))
      }
      await delay(Math.max(0, 32_000 / rate - (performance.now() - began)))
    }
  }
  const lanes = Array.from({ length: 32 }, lane)
  const began = performance.now()
  const both = [{ name: 'v1', labels: { version: 'v1' } }, { name: 'v2', labels: { version: 'v2' } }, { name: 'blue', labels: { version: 'v1' } }, { name: 'green', labels: { version: 'v2' } }]
  for (let round = 0; round < 3; round++) {
    for (const weight of [90, 10, 50]) await apply(split('v1', 'v2', weight))
    // A subset that is renamed: the new name beside the old one, then the rule, then the old one away.
    await apply(destinationRule(host, { subsets: both }))
    await apply(split('blue', 'green', 30))
    await apply(destinationRule(host, { subsets: both.slice(2) }))
    await apply({ ...typed('Gateway'), metadata: { name: `gateway-${round}` }, spec: { selector: { istio: 'ingressgateway' }, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: [host] }] } })
    // Both names at once: the rule and what it names change together.
    await apply(destinationRule(host, { subsets: subsets('v1', 'v2') }), split('v1', 'v2', 50))
  }
  running = false
  await Promise.all(lanes)
  t.same(failures.slice(0, 5), [], `${failures.length} of ${sent} requests failed`)
  t.comment(`${sent} requests, ${Math.round((sent * 1000) / (performance.now() - began))} a second`)
  t.ok(sent > 100)
})
