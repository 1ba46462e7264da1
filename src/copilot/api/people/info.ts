import { Type } from 'typebox'
import { version } from '../../../common/version.ts'
import type { Copilot } from '../../copilot.ts'
import type { Api } from '../server.ts'

const Info = Type.Object({
  version: Type.String(),
  login: Type.Optional(Type.String({ description: "UAA's address, where tokens are to be had; absent where none is asked for" })),
})

/** What a client must know before it has a token. */
export function info(api: Api, { config }: Pick<Copilot, 'config'>): void {
  const { uaa } = config.api
  api.get('/v1/info', { schema: { summary: 'Version, and where to log in', security: [], response: { 200: Info } } }, async () => ({
    version,
    ...(uaa && { login: uaa.issuer.replace(/\/oauth\/token\/?$/, '') }),
  }))
}
