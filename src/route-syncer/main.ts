import { loadConfig } from '../common/config.ts'
import { createMetrics, HealthServer } from '../common/health.ts'
import { run } from '../common/lifecycle.ts'
import { createLogger } from '../common/log.ts'
import { messageOf } from '../common/problem.ts'
import { configFaults, RouteSyncerConfig } from './config.ts'
import { RouteSyncer } from './syncer.ts'

const config = loadConfig('route-syncer', RouteSyncerConfig, undefined, configFaults)
const log = createLogger('route-syncer', config.log.level)

function create(): RouteSyncer {
  try {
    return new RouteSyncer(config, log)
  } catch (error) {
    process.stderr.write(`route-syncer: ${messageOf(error)}\n`)
    process.exit(1)
  }
}

const syncer = create()
const metrics = createMetrics('route-syncer')
syncer.register(metrics)
await run(
  [new HealthServer({ component: 'route-syncer', listen: config.health.listen, metrics, conditions: syncer.conditions }), syncer],
  log,
)
