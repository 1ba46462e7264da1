import { Type } from 'typebox'
import { version } from '../../../common/version.ts'
import { kinds } from '../../../mesh/records.ts'
import type { Copilot } from '../../copilot.ts'
import { Related } from '../../views/related.ts'
import { ConflictView, showConflict } from '../../views/route.ts'
import { ComponentView, showComponent } from './components.ts'
import { HeldSync } from '../components/reports.ts'
import { showSwitches, Switches } from './switches.ts'
import type { Api } from '../server.ts'

const Moment = Type.String({ format: 'date-time' })
const Status = Type.Object({
  version: Type.String(),
  history: Type.String(),
  revision: Type.Integer(),
  records: Type.Object(Object.fromEntries(kinds.map((kind) => [kind, Type.Integer()]))),
  store: Type.Object({ ready: Type.Boolean(), reason: Type.Optional(Type.String()) }),
  sources: Type.Array(
    Type.Object({
      name: Type.String(),
      epoch: Type.String(),
      syncedAt: Moment,
      changedAt: Moment,
      age: Type.Number({ description: 'Seconds since it sent anything' }),
    }),
  ),
  switches: Switches,
  held: Type.Array(HeldSync),
  conflicts: Type.Array(ConflictView),
  components: Type.Array(ComponentView),
  watchers: Type.Array(Type.Object({ peer: Type.String(), since: Moment, revision: Type.Integer(), lag: Type.Integer() })),
})

/** How the mesh is, on one page. */
export function status(api: Api, { store, components, watchers }: Copilot): void {
  api.get(
    '/v1/status',
    { schema: { summary: 'Revision, sources, held syncs, conflicts, components, watchers', response: { 200: Status } } },
    async () => {
      const { history, revision, records } = store.state
      const { failing } = store.health
      const conflicts = components.conflicts()
      const related = new Related(store)
      await related.addSpaces(conflicts.flatMap(({ space, servedSpace }) => [space, servedSpace]))
      return {
        version,
        history,
        revision,
        records,
        store: { ready: failing === undefined, ...(failing && { reason: failing }) },
        sources: (await store.sources()).map(({ name, epoch, syncedAt, changedAt }) => ({
          name,
          epoch,
          syncedAt: iso(syncedAt),
          changedAt: iso(changedAt),
          age: Math.max(0, Date.now() - changedAt) / 1000,
        })),
        switches: await showSwitches(store),
        held: components.held(),
        conflicts: conflicts.map((conflict) => showConflict(conflict, related)),
        components: components.list().map((component) => showComponent(component, revision)),
        watchers: watchers
          .list()
          .map(({ peer, since, revision: sent }) => ({ peer, since: iso(since), revision: sent, lag: revision - sent })),
      }
    },
  )
}

const iso = (moment: number): string => new Date(moment).toISOString()
