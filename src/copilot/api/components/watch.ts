import { Type } from 'typebox'
import type { Logger } from '../../../common/log.ts'
import { requireRole, type RoleNames } from '../../identity.ts'
import type { Store } from '../../store/store.ts'
import { stream } from '../../stream.ts'
import { feed } from '../../watch.ts'
import type { Watchers } from '../../watchers.ts'
import type { Api } from '../server.ts'

const Since = Type.Object(
  {
    history: Type.Optional(Type.String({ description: 'The history that `since` belongs to' })),
    since: Type.Optional(Type.Integer({ minimum: 0, description: 'The last revision that the watcher has' })),
  },
  { additionalProperties: false },
)

export interface WatchOptions {
  store: Store
  clients: RoleNames
  watchers: Watchers
  /** Milliseconds after which a watcher that takes nothing is cut off. */
  stall: number
  log: Logger
}

/** Contract 2 of docs/architecture.md: what a pilot watches. */
export function watch(api: Api, { store, clients, watchers, stall, log }: WatchOptions): void {
  api.addHook('onRequest', async (request) => requireRole(request, clients, 'pilot'))

  api.get('/v1/watch', { schema: { querystring: Since } }, async (request, reply) => {
    const { history, since } = request.query
    const resumes = history === store.state.history ? since : undefined
    const peer = `${request.ip}:${request.socket.remotePort}`
    const watcher = watchers.add(peer)
    log.info({ peer, since: resumes ?? 'nothing' }, 'watch begins')
    try {
      const end = await stream(reply, (signal) => feed(store, resumes, (revision) => (watcher.revision = revision), signal), {
        stall,
        signal: watchers.signal,
      })
      log.info(
        { peer, revision: watcher.revision },
        end === 'stalled' ? `watch cut off: it took nothing for ${stall / 1000} s` : 'watch ends',
      )
    } catch (error) {
      log.error({ peer, err: error }, 'watch broken off')
    } finally {
      watchers.remove(watcher)
    }
  })
}
