import { Type } from 'typebox'
import { nameFault } from '../../mesh/istio/values.ts'
import type { Api } from '../api/server.ts'
import type { Copilot } from '../copilot.ts'
import { callerOf } from '../people/caller.ts'
import { resolveNamespace } from '../people/namespaces.ts'
import { Faults, SecretUnknown } from '../problems.ts'
import type { ShownSecret } from './secrets.ts'

const closed = { additionalProperties: false } as const
const Pem = (description: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 262_144, description: `PEM: ${description}` }))
const Named = Type.Object(
  { namespace: Type.String({ description: 'Name or guid of the space, ORGANIZATION/SPACE, or mesh-system' }), name: Type.String() },
  closed,
)
const Content = Type.Object(
  {
    certificate: Pem("the server's certificate, followed by its chain"),
    key: Pem('its private key'),
    ca: Pem("CAs that clients' certificates must come from, for MUTUAL"),
    crl: Pem("which of the CAs' certificates are revoked"),
  },
  closed,
)
const View = Type.Object({
  namespace: Type.String(),
  space: Type.String({ description: 'What people call the namespace: ORGANIZATION/SPACE where that is known' }),
  name: Type.String(),
  version: Type.String({ description: 'Another one where the content is' }),
  names: Type.Array(Type.String(), { description: 'DNS names that the certificate bears' }),
  expires: Type.String({ description: 'When the first of its certificates expires, ISO 8601' }),
  author: Type.String({ description: 'Who set it' }),
  updatedAt: Type.String(),
})
const Outcome = Type.Object({
  key: Type.String(),
  outcome: Type.Enum(['created', 'configured', 'unchanged', 'deleted']),
  names: Type.Optional(View.properties.names),
  expires: Type.Optional(View.properties.expires),
  warnings: Type.Array(Type.Object({ path: Type.String(), message: Type.String() })),
})

const shown = (secret: ShownSecret) => ({ ...secret, space: secret.namespace })

/** TLS keypairs for Gateways. What is secret of them goes in and never comes out again. */
export function secrets(api: Api, { store, secrets: kept, audit, config }: Copilot): void {
  const decides = { decides: true } as const

  api.put(
    '/v1/secrets/:namespace/:name',
    { config: decides, schema: { summary: 'Set a secret', params: Named, body: Content, response: { 200: Outcome } } },
    async (request) => {
      const caller = callerOf(request)
      const { name } = request.params
      const namespace = await resolveNamespace(store, request.params.namespace, caller)
      await caller.requireWrite(namespace, request.params.namespace)
      const fault = nameFault(name)
      if (fault !== undefined) throw new Faults([`name: ${fault}`])
      const [before] = await kept.list({ namespace, name })
      const { outcome, secret, warnings } = await kept.set(namespace, name, request.body, caller.name, config.limits.secrets)
      if (outcome !== 'unchanged')
        audit({
          author: caller.name,
          action: outcome,
          subject: `secret/${namespace}/${name}`,
          ...(before && { before: told(before) }),
          after: told(secret),
        })
      return { key: `secret/${namespace}/${name}`, outcome, names: secret.names, expires: secret.expires, warnings }
    },
  )

  api.get(
    '/v1/secrets',
    {
      config: decides,
      schema: {
        summary: 'Secrets without what is secret of them',
        querystring: Type.Object({ namespace: Type.Optional(Named.properties.namespace) }, closed),
        response: { 200: Type.Object({ items: Type.Array(View) }) },
      },
    },
    async (request) => {
      const caller = callerOf(request)
      const namespace = request.query.namespace === undefined ? undefined : await resolveNamespace(store, request.query.namespace, caller)
      if (namespace !== undefined) await caller.requireRead(namespace, request.query.namespace)
      const found = await kept.list(namespace === undefined ? {} : { namespace })
      const may = new Map(
        await Promise.all([...new Set(found.map((one) => one.namespace))].map(async (one) => [one, await caller.mayRead(one)] as const)),
      )
      return { items: found.filter((one) => may.get(one.namespace)).map(shown) }
    },
  )

  api.get(
    '/v1/secrets/:namespace/:name',
    { config: decides, schema: { summary: 'A secret without what is secret of it', params: Named, response: { 200: View } } },
    async (request) => {
      const caller = callerOf(request)
      const namespace = await resolveNamespace(store, request.params.namespace, caller)
      await caller.requireRead(namespace, request.params.namespace)
      const [found] = await kept.list({ namespace, name: request.params.name })
      if (!found) throw SecretUnknown(`${request.params.namespace}/${request.params.name}`)
      return shown(found)
    },
  )

  api.delete(
    '/v1/secrets/:namespace/:name',
    { config: decides, schema: { summary: 'Delete a secret', params: Named, response: { 200: Outcome } } },
    async (request) => {
      const caller = callerOf(request)
      const { name } = request.params
      const namespace = await resolveNamespace(store, request.params.namespace, caller)
      await caller.requireWrite(namespace, request.params.namespace)
      const [before] = await kept.list({ namespace, name })
      await kept.delete(namespace, name)
      audit({ author: caller.name, action: 'deleted', subject: `secret/${namespace}/${name}`, ...(before && { before: told(before) }) })
      return { key: `secret/${namespace}/${name}`, outcome: 'deleted' as const, warnings: [] }
    },
  )
}

/** What an audit line may say of a secret. */
const told = ({ version, names, expires }: Pick<ShownSecret, 'version' | 'names' | 'expires'>) => ({ version, names, expires })
