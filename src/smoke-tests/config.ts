import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false } as const
const httpUrl = (description: string) => Type.String({ pattern: '^https?://[^/]+/?$', description })

/** Configuration of the smoke tests. */
export const SmokeTestsConfig = Type.Object(
  {
    cloudController: Type.Object(
      {
        url: httpUrl('Cloud Controller’s API'),
        ca: Type.Optional(Type.String({ description: 'File with the CAs of Cloud Controller and UAA, PEM; without it the system’s' })),
      },
      closed,
    ),
    uaa: Type.Object(
      {
        url: Type.Optional(httpUrl('UAA’s address; without it the one that Cloud Controller names')),
        clientId: Type.String({ minLength: 1, description: 'Client with the authority cloud_controller.admin' }),
        clientSecret: Type.String({ minLength: 1, description: 'Its secret' }),
      },
      closed,
    ),
    domain: Type.String({ minLength: 1, description: 'The mesh domain that the app gets a route on' }),
    organization: Type.String({
      minLength: 1,
      default: 'mesh-smoke-tests',
      description: 'Organization that the app is pushed to; made and deleted again where it does not exist',
    }),
    routers: Type.Array(Type.String({ pattern: '^.+:\\d+$' }), { minItems: 1, description: 'HOST:PORT of every router, plain HTTP' }),
    timeout: Type.Integer({
      default: 30_000,
      minimum: 1,
      description: 'How long a route or its removal may take to reach all routers, milliseconds',
    }),
  },
  closed,
)
export type SmokeTestsConfig = Static<typeof SmokeTestsConfig>
