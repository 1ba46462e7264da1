import { loadConfig } from '../common/config.ts'
import { createMetrics, HealthServer } from '../common/health.ts'
import { run } from '../common/lifecycle.ts'
import { createLogger } from '../common/log.ts'
import { Agent } from './agent/agent.ts'
import { RouterConfig } from './config.ts'
import { debugRoutes } from './debug.ts'
import { Drain } from './drain.ts'
import { EmbeddedEngine } from './embedded/engine.ts'
import { EnvoyEngine } from './envoy/engine.ts'
import { Probe } from './probe.ts'

const config = loadConfig('istio-router', RouterConfig)
const log = createLogger('istio-router', config.log.level)
const metrics = createMetrics('istio-router')

const engine =
  config.engine === 'envoy' ? new EnvoyEngine({ config, log, metrics }) : new EmbeddedEngine({ log, metrics, accessLog: config.accessLog })
const agent = new Agent({ config, engine, log, metrics })
const drain = new Drain(engine, config.drain, log)
const health = new HealthServer({
  component: 'istio-router',
  listen: config.health.listen,
  metrics,
  conditions: { engine: () => engine.condition(), agent: () => agent.condition(), drain: () => drain.condition() },
  routes: (server) => debugRoutes(server, agent),
})

const probe = config.probe ? [new Probe(config.probe.listen, [() => engine.condition(), () => drain.condition()])] : []

await run([health, ...probe, engine, agent, drain], log)
