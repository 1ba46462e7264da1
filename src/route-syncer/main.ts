import { loadConfig } from '../common/config.ts'
import { createMetrics, HealthServer } from '../common/health.ts'
import { run } from '../common/lifecycle.ts'
import { createLogger } from '../common/log.ts'
import { RouteSyncerConfig } from './config.ts'
import { RouteSyncer } from './syncer.ts'

const config = loadConfig('route-syncer', RouteSyncerConfig)
const log = createLogger('route-syncer', config.log.level)
const metrics = createMetrics('route-syncer')
const syncer = new RouteSyncer(config, log)
syncer.register(metrics)
await run([new HealthServer({ component: 'route-syncer', listen: config.health.listen, metrics, conditions: syncer.conditions }), syncer], log)
