import type { Api } from './api/server.ts'
import type { Logger } from '../common/log.ts'
import type { Components } from './components.ts'
import type { CopilotConfig } from './config.ts'
import type { Audit } from './people/audit.ts'
import type { Resources } from './resources/resources.ts'
import type { Secrets } from './secrets/secrets.ts'
import type { Store } from './store/store.ts'
import type { Watchers } from './watchers.ts'

/** What both of copilot's APIs are built on. */
export interface Copilot {
  config: CopilotConfig
  log: Logger
  store: Store
  resources: Resources
  secrets: Secrets
  audit: Audit
  components: Components
  watchers: Watchers
  /** Has an API's requests measured. */
  measured: (api: Api) => void
}
