import { Type, type Static } from 'typebox'
import { HealthConfig, ListenConfig, LogConfig, TlsConfig } from '../common/config.ts'
import { healthCheckForm, readHealthCheck } from '../mesh/health-check.ts'
import { subnetFaults } from '../mesh/istio/values.ts'
import { CopilotClientConfig } from './copilot-client.ts'
import { TranslationSettings } from './translate/settings.ts'

const closed = { additionalProperties: false } as const

/** The configuration of pilot. */
export const PilotConfig = Type.Object(
  {
    name: Type.String({ minLength: 1, default: 'pilot', description: 'Name of this pilot in reports, unique in the deployment' }),
    listen: ListenConfig(),
    tls: TlsConfig,
    clientName: Type.String({ default: 'istio-router.service.cf.internal', description: "DNS name that a router's certificate must bear" }),
    debug: Type.Object(
      { listen: ListenConfig() },
      {
        ...closed,
        description:
          'Where `/debug/routers`, `/debug/route`, `/debug/nacks` and `/debug/faults` are served; without authentication, so keep it on loopback',
      },
    ),
    copilot: CopilotClientConfig,
    translation: TranslationSettings,
    egressResolvers: Type.Array(
      Type.String({ pattern: '^(\\d{1,3}(\\.\\d{1,3}){3}(:\\d{1,5})?|[0-9a-fA-F:]*:[0-9a-fA-F:.]*|\\[[0-9a-fA-F:.]+\\](:\\d{1,5})?)$' }),
      {
        default: [],
        description:
          'DNS servers that are asked for the names of ServiceEntries, each an address, or `ADDRESS:PORT` (`[ADDRESS]:PORT` for IPv6); where empty those of the system',
      },
    ),
    health: HealthConfig,
    log: LogConfig,
  },
  closed,
)
export type PilotConfig = Static<typeof PilotConfig>

/** What the schema cannot say; each fault a sentence that begins with the field's path. */
export function configFaults({ translation: { healthCheck, egressAllowed } }: PilotConfig): string[] {
  const unread = `translation.healthCheck: ${JSON.stringify(healthCheck)} is none of ${healthCheckForm}`
  return [...(readHealthCheck(healthCheck) ? [] : [unread]), ...subnetFaults(egressAllowed, 'translation.egressAllowed')]
}
