import { loadConfig } from '../common/config.ts'
import { createMetrics, HealthServer } from '../common/health.ts'
import { run } from '../common/lifecycle.ts'
import { createLogger } from '../common/log.ts'
import { ResourceCache } from '../common/xds/cache.ts'
import { RoutingAdvice } from './ads/advice.ts'
import { DebugServer } from './ads/debug.ts'
import { GatewayFollower } from './ads/gateways.ts'
import { Publisher } from './ads/publisher.ts'
import { countFaults, faultsOf } from './ads/faults.ts'
import { RouteIsolation } from './ads/isolation.ts'
import { reports } from './ads/report.ts'
import { ResourceStatus } from './ads/resource-status.ts'
import { AdsServer } from './ads/server.ts'
import { configFaults, PilotConfig } from './config.ts'
import { CopilotClient } from './copilot-client.ts'
import { resolver } from './egress/resolver.ts'
import { explain } from './explain.ts'
import { SecretKeeper } from './secret-keeper.ts'
import { Translator } from './translate/translator.ts'

const config = loadConfig('pilot', PilotConfig, undefined, configFaults)
const log = createLogger('pilot', config.log.level)
const metrics = createMetrics('pilot')

const cache = new ResourceCache()
const translator = new Translator(config.translation)
const publisher = new Publisher(translator, cache, (changes, resources) => {
  isolation.published(resources)
  gateways.published()
  advice.published()
  status.published(changes)
})
const copilot = new CopilotClient(config.copilot, publisher, log)
const isolation = new RouteIsolation({ rules: translator.rules, refresh: () => ads.refresh() })
const ads: AdsServer = new AdsServer({
  config,
  cache,
  ready: () => publisher.whole && secrets.settled,
  filling: () => publisher.filling || publisher.whole,
  isolation,
  gateways: () => gateways.now(),
  log,
  metrics,
})
const secrets = new SecretKeeper({ read: (key) => copilot.secret(key), changed: () => ads.refresh(), log })
const gateways = new GatewayFollower({ translator, secrets, refresh: () => ads.refresh() })
const advice = new RoutingAdvice(translator, log)
const status = new ResourceStatus({ translator, ads, isolation })
const routers = () => ads.routers()
countFaults(metrics, () => translator.faults)
const debug = new DebugServer({
  listen: config.debug.listen,
  routers,
  faults: () => faultsOf(translator),
  explain: (host, path, asked) => explain(translator, host, path, asked),
})
const names = resolver({
  wanted: () => translator.rules.namesToResolve(),
  resolved: (name, addresses) => publisher.resolved(name, addresses),
  servers: config.egressResolvers,
  log,
})
const reporting = reports({ name: config.name, copilot, routers, resources: status, advice: () => advice.condition().reason, log })
const health = new HealthServer({
  component: 'pilot',
  listen: config.health.listen,
  metrics,
  conditions: { copilot: () => copilot.condition(), ads: () => ads.condition(), rules: () => advice.condition() },
})

await run([health, copilot, secrets, ads, debug, reporting, names], log)
