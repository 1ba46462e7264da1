import type { Copilot } from '../copilot.ts'
import { version } from '../../common/version.ts'
import type { Api } from './server.ts'

export function status(api: Api, { store, components, watchers }: Copilot): void {
  api.get('/v1/status', async () => ({
    version,
    ...store.state,
    sources: await store.sources(),
    held: components.held(),
    conflicts: components.conflicts(),
    components: components.list(),
    watchers: watchers.list(),
  }))
}
