import { Type, type Static } from 'typebox'
import { HealthConfig, ListenConfig, LogConfig, TlsConfig } from '../common/config.ts'
import { routerNames } from './diego/container/tls-proxy.ts'

const closed = { additionalProperties: false } as const

const ServiceListen = (what: string) =>
  Type.Object(
    {
      http: ListenConfig(0),
      https: Type.Optional(ListenConfig()),
    },
    { ...closed, default: {}, description: what },
  )

const ClientConfig = Type.Object(
  {
    id: Type.String({ minLength: 1, description: 'client_id' }),
    secret: Type.String({ description: 'client_secret' }),
    authorities: Type.Array(Type.String(), { description: 'Scopes of its tokens, such as cloud_controller.admin_read_only' }),
  },
  closed,
)

/** The configuration of the embedded Cloud Foundry. */
export const FoundationConfig = Type.Object(
  {
    log: LogConfig,
    health: HealthConfig,
    data: Type.String({ description: 'Folder for all state: database, packages, droplets, keys' }),
    certificate: Type.Optional(
      Type.Object(
        {
          certificate: Type.String({ description: 'File with the certificate chain, PEM' }),
          key: Type.String({ description: 'File with the private key, PEM' }),
        },
        { ...closed, description: 'Server certificate of every `https` listener' },
      ),
    ),
    cloudController: ServiceListen('Cloud Controller V3 API; `https` needs `certificate`'),
    uaa: ServiceListen('UAA; has `https`, on a free port if none is given, where Cloud Controller has it'),
    logCache: ServiceListen('Log cache; `https` as with UAA'),
    bbs: Type.Object({ listen: ListenConfig(0), tls: TlsConfig }, { ...closed, description: 'BBS, with mutual TLS' }),
    admin: Type.Object(
      {
        username: Type.String({ minLength: 1, default: 'admin', description: 'Name of the first user, who may do everything' }),
        password: Type.String({ minLength: 1, description: 'Password; set again at each start' }),
      },
      { ...closed, description: 'The administrator' },
    ),
    clients: Type.Array(ClientConfig, { default: [], description: 'UAA clients for the client_credentials grant' }),
    tokens: Type.Object(
      {
        accessSeconds: Type.Integer({ minimum: 1, default: 600, description: 'Life of an access token, seconds' }),
        issuer: Type.Optional(
          Type.String({ description: 'The `iss` of tokens; where absent, UAA under the address by which it was reached' }),
        ),
        refreshSeconds: Type.Integer({ minimum: 1, default: 2_592_000, description: 'Life of a refresh token, seconds' }),
      },
      { ...closed, default: {}, description: 'Lifetimes of tokens' },
    ),
    systemDomain: Type.String({ default: 'sys.localhost', description: 'System domain, on which apps get no routes' }),
    domains: Type.Array(
      Type.Object(
        {
          name: Type.String({ description: 'Name' }),
          internal: Type.Boolean({ default: false, description: 'Answered inside the platform only' }),
        },
        closed,
      ),
      {
        default: [{ name: 'apps.localhost' }, { name: 'mesh.apps.localhost' }, { name: 'apps.internal', internal: true }],
        description: 'Shared domains that exist from the start; the first is the default one',
      },
    ),
    environment: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description:
          "Variables that every app finds in its environment (Cloud Controller's running environment variable group); set again at each start",
      }),
    ),
    rateLimit: Type.Optional(
      Type.Object(
        {
          requests: Type.Integer({ minimum: 1, description: 'Requests a user may make in an interval' }),
          intervalSeconds: Type.Integer({ minimum: 1, default: 3600, description: 'Length of the interval, seconds' }),
        },
        { ...closed, description: 'Limits requests per user as Cloud Controller does; absent for no limit' },
      ),
    ),
    cells: Type.Object(
      {
        count: Type.Integer({ minimum: 1, maximum: 16, default: 2, description: 'Number of cells that apps are spread over' }),
        host: Type.String({ default: '127.0.0.1', description: 'Address of instances' }),
        ca: Type.String({ description: 'File with the CA of instance identities, PEM' }),
        caKey: Type.String({ description: 'File with its private key, PEM' }),
        routerCa: Type.String({ description: "File with the CAs that routers' client certificates come from, PEM" }),
        routerNames: Type.Array(Type.String(), {
          minItems: 1,
          default: routerNames,
          description:
            "DNS names of which a router's client certificate must bear one, as rep's `containers.proxy.verify_subject_alt_name`",
        }),
        handover: Type.Integer({
          minimum: 0,
          default: 0,
          description:
            'How long instances go on without the foundation, for its next start to take them over, seconds; with 0 they end with it',
        }),
      },
      { ...closed, description: 'What runs apps' },
    ),
  },
  { ...closed, title: 'foundation' },
)
export type FoundationConfig = Static<typeof FoundationConfig>
