import { loadConfig } from '../common/config.ts'
import { createMetrics, HealthServer } from '../common/health.ts'
import { run } from '../common/lifecycle.ts'
import { createLogger } from '../common/log.ts'
import { defaultBounds } from '../mesh/istio/check.ts'
import { componentApi } from './api/components/index.ts'
import { peopleApi } from './api/people/index.ts'
import { Components } from './components.ts'
import { configFaults, CopilotConfig } from './config.ts'
import type { Copilot } from './copilot.ts'
import { measureRequests, measureStore } from './metrics.ts'
import { createAudit } from './people/audit.ts'
import { removeOrphans } from './resources/orphans.ts'
import { Resources } from './resources/resources.ts'
import { Keyring } from './secrets/keyring.ts'
import { Secrets } from './secrets/secrets.ts'
import { SqliteStore } from './store/sqlite.ts'
import { Watchers } from './watchers.ts'

const config = loadConfig('copilot', CopilotConfig, process.argv.slice(2), configFaults)
const log = createLogger('copilot', config.log.level)
const metrics = createMetrics('copilot')
const store = new SqliteStore(config.store, log)
const watchers = new Watchers()
const secrets = new Secrets(store, new Keyring(config.encryption.keys), log)
const components = new Components()
const audit = createAudit(log)
const resources = new Resources({
  store,
  components,
  audit,
  bounds: {
    ...defaultBounds,
    regexLength: config.limits.regexLength,
    headerBytes: config.limits.headerBytes,
    egress: { allowed: config.egressAllowed },
  },
  most: config.limits.resources,
})
const copilot: Copilot = { config, log, store, resources, secrets, audit, watchers, components, measured: measureRequests(metrics) }
measureStore(metrics, copilot)

await run(
  [
    store,
    secrets,
    removeOrphans({ store, audit, log, patience: config.orphanDays * 86_400_000 }),
    new HealthServer({ component: 'copilot', listen: config.health.listen, metrics, conditions: { store: () => store.condition() } }),
    await componentApi(copilot),
    await peopleApi(copilot),
  ],
  log,
)
