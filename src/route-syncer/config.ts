import { Type, type Static } from 'typebox'
import { HealthConfig, LogConfig, TlsConfig } from '../common/config.ts'

const closed = { additionalProperties: false } as const
const milliseconds = (standard: number, description: string, minimum = 10) =>
  Type.Integer({ minimum, default: standard, description: `${description}, milliseconds` })
const domain = Type.String({ pattern: '^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$' })
const httpUrl = (description: string) => Type.String({ pattern: '^https?://[^/]+/?$', description })
const ca = Type.Optional(Type.String({ description: 'File with the CAs of the other end, PEM; without it the system’s' }))

/** Configuration of route-syncer. */
export const RouteSyncerConfig = Type.Object(
  {
    name: Type.String({
      default: 'route-syncer',
      pattern: '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$',
      description: 'Name of this syncer in its reports',
    }),
    source: Type.String({
      default: 'cf',
      pattern: '^[a-z0-9-]+$',
      description: 'Name of the platform; copilot keeps the records of each source apart',
    }),
    cloudController: Type.Object(
      {
        url: httpUrl('Cloud Controller’s API'),
        ca,
        pollInterval: milliseconds(5_000, 'How often changes are asked for'),
        fullInterval: milliseconds(300_000, 'How often everything is read again'),
        patience: milliseconds(
          60_000,
          'How long to wait for Cloud Controller at start, before what BBS tells is served with what copilot still has of it',
          0,
        ),
      },
      closed,
    ),
    uaa: Type.Object(
      {
        url: Type.Optional(
          Type.String({ pattern: '^https?://', description: 'UAA’s address; without it the one that Cloud Controller names' }),
        ),
        clientId: Type.String({ minLength: 1, description: 'Client with the scope cloud_controller.admin_read_only' }),
        clientSecret: Type.Optional(Type.String({ description: 'Its secret' })),
        clientSecretFile: Type.Optional(Type.String({ description: 'File with its secret, read again for each token' })),
        ca,
      },
      closed,
    ),
    bbs: Type.Object(
      {
        addresses: Type.Array(Type.String({ pattern: '^https://[^/]+/?$' }), {
          minItems: 1,
          description: 'Address of each BBS, https://host:port',
        }),
        tls: TlsConfig,
        serverName: Type.String({ default: 'bbs.service.cf.internal', description: 'Name that the certificate of BBS must bear' }),
        fullInterval: milliseconds(30_000, 'How often everything is read again'),
        preferredAddress: Type.Enum(['HOST', 'INSTANCE'], {
          default: 'HOST',
          description: 'How instances are reached where BBS leaves it open',
        }),
      },
      closed,
    ),
    copilot: Type.Object(
      {
        url: Type.String({ pattern: '^https://[^/]+/?$', description: 'Copilot’s component API' }),
        tls: TlsConfig,
        serverName: Type.String({ default: 'copilot.service.cf.internal', description: 'Name that the certificate of copilot must bear' }),
      },
      closed,
    ),
    meshDomains: Type.Array(domain, { minItems: 1, description: 'Domains whose routes are served to the public' }),
    internalDomains: Type.Array(domain, {
      default: ['apps.mesh.internal'],
      description: 'Domains whose routes are served on internal listeners only',
    }),
    mirror: Type.Optional(
      Type.Object(
        { from: domain, to: domain },
        { ...closed, description: 'Routes directly on the domain `from` answer on `to` too, which is a mesh domain or lies on one' },
      ),
    ),
    guard: Type.Object(
      {
        share: Type.Number({
          default: 20,
          minimum: 0,
          maximum: 100,
          description: 'A full read that would remove more than this percentage of the routes or instances is held',
        }),
        minimum: Type.Integer({ default: 50, minimum: 1, description: 'Fewer removals than this are never held' }),
      },
      { ...closed, default: {} },
    ),
    health: HealthConfig,
    log: LogConfig,
  },
  closed,
)
export type RouteSyncerConfig = Static<typeof RouteSyncerConfig>

/** What the schema cannot say; each fault a sentence that begins with the field's path. */
export function configFaults({ uaa, mirror, meshDomains }: RouteSyncerConfig): string[] {
  const onMesh = (domain: string): boolean => meshDomains.some((mesh) => domain === mesh || domain.endsWith(`.${mesh}`))
  return [
    ...(uaa.clientSecret === undefined && uaa.clientSecretFile === undefined
      ? ['uaa.clientSecret: is required, or uaa.clientSecretFile']
      : []),
    ...(mirror && !onMesh(mirror.to) ? [`mirror.to: ${mirror.to} is on none of meshDomains`] : []),
    ...(mirror && onMesh(mirror.from) ? [`mirror.from: ${mirror.from} is itself on one of meshDomains`] : []),
  ]
}
