import { Type } from 'typebox'
import { requireRole, type RoleNames } from '../../identity.ts'
import type { Secrets } from '../../secrets/secrets.ts'
import type { Api } from '../server.ts'

const Named = Type.Object({ namespace: Type.String(), name: Type.String() }, { additionalProperties: false })
const Pem = Type.Optional(Type.String({ description: 'PEM' }))
const Content = Type.Object({
  version: Type.String({ description: 'As in the record; another one where it was changed since' }),
  certificate: Pem,
  key: Pem,
  ca: Pem,
  crl: Pem,
})

/** The content of secrets, for pilots alone. */
export function secretContent(api: Api, { secrets, clients }: { secrets: Secrets; clients: RoleNames }): void {
  api.get('/v1/secrets/:namespace/:name', { schema: { params: Named, response: { 200: Content } } }, async (request, reply) => {
    requireRole(request, clients, 'pilot')
    void reply.header('cache-control', 'no-store')
    return secrets.open(request.params.namespace, request.params.name)
  })
}
