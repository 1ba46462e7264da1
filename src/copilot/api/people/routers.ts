import { Type } from 'typebox'
import type { Copilot } from '../../copilot.ts'
import type { Api } from '../server.ts'

const RouterView = Type.Object(
  { name: Type.String(), pilot: Type.String({ description: 'The pilot that reports it' }) },
  { additionalProperties: true, description: 'What pilot says of it: see /debug/routers there' },
)

/** The routers that hold a stream of a living pilot. */
export function routers(api: Api, { components }: Copilot): void {
  api.get(
    '/v1/routers',
    { schema: { summary: 'Routers, as pilots report them', response: { 200: Type.Object({ items: Type.Array(RouterView) }) } } },
    async () => ({ items: components.routers() }),
  )
}
