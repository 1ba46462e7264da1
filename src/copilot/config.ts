import { Type, type Static } from 'typebox'
import { HealthConfig, ListenConfig, LogConfig, TlsConfig } from '../common/config.ts'
import { subnetFaults } from '../mesh/istio/values.ts'

const closed = { additionalProperties: false } as const
const Names = (name: string, who: string) =>
  Type.Array(Type.String(), {
    minItems: 1,
    default: [`${name}.service.cf.internal`],
    description: `DNS names in the client certificate of ${who}`,
  })

export const UaaConfig = Type.Object(
  {
    url: Type.String({ pattern: '^https?://', description: "UAA's address; its /token_keys are read from there" }),
    issuer: Type.String({
      pattern: '^https?://',
      description: 'The `iss` that tokens must bear, for example https://uaa.SYSTEM-DOMAIN/oauth/token',
    }),
    audience: Type.String({ default: 'cloud_controller', description: 'The `aud` that tokens must bear' }),
    ca: Type.Optional(Type.String({ description: "File with the CAs that UAA's certificate comes from, PEM; the system's where absent" })),
  },
  { ...closed, description: 'Who may use the API: the holders of a UAA token with a suitable scope' },
)
export type UaaConfig = Static<typeof UaaConfig>

export const CloudControllerConfig = Type.Object(
  {
    url: Type.String({ pattern: '^https?://', description: "Cloud Controller's address" }),
    ca: Type.Optional(Type.String({ description: "File with the CAs that its certificate comes from, PEM; the system's where absent" })),
    rolesSeconds: Type.Number({
      default: 30,
      minimum: 0,
      description: "How long somebody's roles are believed before they are asked for again, seconds",
    }),
    patienceSeconds: Type.Number({
      default: 600,
      minimum: 0,
      description:
        'How long roles that were read before are enough for changes while Cloud Controller does not answer, seconds; then changes are refused',
    }),
  },
  {
    ...closed,
    description:
      "Where people's roles in spaces are read, with their own tokens. Where absent, only scopes count: operators write, readers of everything read",
  },
)
export type CloudControllerConfig = Static<typeof CloudControllerConfig>

export const CopilotConfig = Type.Object(
  {
    log: LogConfig,
    health: HealthConfig,
    listen: ListenConfig(),
    tls: TlsConfig,
    clients: Type.Object(
      {
        'route-syncer': Names('route-syncer', 'route-syncers, which may write the records of a source'),
        pilot: Names('pilot', 'pilots, which may watch'),
        'istio-router': Names('istio-router', 'istio-routers, which may report'),
      },
      { ...closed, default: {}, description: 'Which component a client certificate makes its bearer' },
    ),
    api: Type.Object(
      {
        listen: ListenConfig(),
        tls: Type.Optional(
          Type.Object(
            {
              certificate: Type.String({ description: 'File with the certificate chain, PEM' }),
              key: Type.String({ description: 'File with the private key, PEM' }),
            },
            { ...closed, description: 'HTTPS for people; required where `listen` is not loopback' },
          ),
        ),
        uaa: Type.Optional(UaaConfig),
        cloudController: Type.Optional(CloudControllerConfig),
      },
      {
        ...closed,
        description:
          'The API for people, meshctl and the console. On loopback it may go without `tls` and `uaa`: then everybody on this machine may use it',
      },
    ),
    egressAllowed: Type.Array(Type.String({ pattern: '^[0-9a-fA-F:.]+(/\\d{1,3})?$' }), {
      default: [],
      description:
        "Subnets that are not public and that ServiceEntries of spaces may name all the same, as 10.1.0.0/16; the same as pilot's `translation.egressAllowed`",
    }),
    orphanDays: Type.Number({
      default: 7,
      minimum: 0,
      description: 'Days for which what was applied in a space is kept after the space is gone',
    }),
    store: Type.Object(
      {
        file: Type.String({ description: 'The database; made where absent. Its folder also holds what a full sync has sent so far' }),
        retention: Type.Integer({
          default: 100_000,
          minimum: 1,
          description: 'Number of revisions for which removals are remembered; a watcher that was away for longer is sent a snapshot',
        }),
        maxMegabytes: Type.Optional(
          Type.Integer({ minimum: 1, description: 'Largest size of the database, MiB; changes that need more are refused' }),
        ),
      },
      closed,
    ),
    encryption: Type.Object(
      {
        keys: Type.Array(
          Type.Object(
            {
              name: Type.String({
                pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
                description: 'Its name, which what it has encrypted bears',
              }),
              secret: Type.String({ minLength: 20, description: 'What the key is derived from: a random text' }),
            },
            closed,
          ),
          {
            default: [],
            description:
              'Keys that secrets are encrypted with in the store, the newest first: the first encrypts, all of them decrypt. To rotate, put a new one in front; copilot encrypts everything anew at its start and says so, then the old one can go. Without any, no secrets can be set',
          },
        ),
      },
      { ...closed, default: {} },
    ),
    limits: Type.Object(
      {
        resources: Type.Integer({ default: 1000, minimum: 0, description: 'Most resources of one space' }),
        regexLength: Type.Integer({ default: 1024, minimum: 1, description: 'Longest regular expression in a resource, characters' }),
        headerBytes: Type.Integer({
          default: 8192,
          minimum: 1,
          description: 'Most that one rule may add or set of headers, names and values together, bytes',
        }),
        secrets: Type.Integer({ default: 100, minimum: 0, description: 'Most secrets of one space' }),
        records: Type.Integer({ default: 2_000_000, minimum: 1, description: 'Most records of one full sync' }),
        lineBytes: Type.Integer({ default: 1_048_576, minimum: 1024, description: 'Longest line of a full sync, bytes' }),
        bodyBytes: Type.Integer({ default: 16_777_216, minimum: 1024, description: 'Largest other body, bytes' }),
        stallSeconds: Type.Number({
          default: 30,
          exclusiveMinimum: 0,
          description: 'A watcher that takes nothing for this long is cut off',
        }),
      },
      { ...closed, default: {} },
    ),
  },
  closed,
)
export type CopilotConfig = Static<typeof CopilotConfig>

const loopback = /^(127(\.\d{1,3}){3}|::1|localhost)$/

export const isLoopback = (host: string): boolean => loopback.test(host)

/** What the schema cannot say: names that are used twice, subnets that are none, and an API without authentication that everybody could use. */
export function configFaults({ api, encryption, egressAllowed }: CopilotConfig): string[] {
  const names = encryption.keys.map(({ name }) => name)
  const alone = api.cloudController && !api.uaa ? ['api.uaa: is required with api.cloudController, since roles are those of a token'] : []
  const twice = names
    .filter((name, position) => names.indexOf(name) !== position)
    .map((name) => `encryption.keys: two are called ${name}; each needs its own name`)
  const faults = [...alone, ...twice, ...subnetFaults(egressAllowed, 'egressAllowed')]
  if (isLoopback(api.listen.host)) return faults
  const open = (['tls', 'uaa'] as const)
    .filter((field) => !api[field])
    .map((field) => `api.${field}: is required because api.listen.host ${api.listen.host} is not loopback; give it, or listen on 127.0.0.1`)
  return [...faults, ...open]
}
