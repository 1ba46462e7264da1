import { Type } from 'typebox'
import type { Copilot } from '../../copilot.ts'
import { callerOf } from '../../people/caller.ts'
import { NothingHeld, SeveralHeld } from '../../problems.ts'
import { HeldSync } from '../components/reports.ts'
import type { Api } from '../server.ts'

const Which = Type.Object(
  {
    source: Type.Optional(Type.String({ description: 'The source that is held' })),
    id: Type.Optional(Type.String({ description: 'The very held sync' })),
  },
  { additionalProperties: false },
)

/** An operator's word that what a held sync would remove is to go. */
export function sync(api: Api, { components, audit }: Copilot): void {
  api.post(
    '/v1/sync/accept',
    { schema: { summary: 'Release a held sync', body: Which, response: { 200: Type.Object({ accepted: HeldSync }) } } },
    async (request) => {
      const { source, id } = request.body
      const held = components.held()
      const meant = held.filter((one) => (source === undefined || one.source === source) && (id === undefined || one.id === id))
      if (meant.length > 1) throw SeveralHeld(meant.map((one) => `${one.source} ${one.id}`))
      const [accepted] = meant
      if (!accepted)
        throw NothingHeld(
          id ?? source,
          held.map((one) => one.source),
        )
      components.accept(accepted.id)
      audit({ author: callerOf(request).name, action: 'accepted', subject: `sync/${accepted.source}/${accepted.id}`, before: accepted })
      return { accepted }
    },
  )
}
