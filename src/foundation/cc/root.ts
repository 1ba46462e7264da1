import type { FastifyInstance } from 'fastify'
import type { Platform } from './context.ts'

/** The V3 API version whose features are here: per-route options, space supporters, HTTP/2 destinations. */
export const apiVersion = '3.195.0'
const v2Version = '2.265.0'

const v3Resources = [
  'organizations',
  'organization_quotas',
  'space_quotas',
  'spaces',
  'users',
  'roles',
  'processes',
  'builds',
  'deployments',
  'audit_events',
  'security_groups',
  'app_usage_events',
  'apps',
  'buildpacks',
  'domains',
  'droplets',
  'environment_variable_groups',
  'feature_flags',
  'info',
  'isolation_segments',
  'packages',
  'resource_matches',
  'routes',
  'service_brokers',
  'service_credential_bindings',
  'service_instances',
  'service_offerings',
  'service_plans',
  'service_route_bindings',
  'service_usage_events',
  'sidecars',
  'stacks',
  'tasks',
]

/** What a client asks before it has a token. */
export function rootRoutes(api: FastifyInstance, { directory }: Platform): void {
  api.get('/', (request) => {
    const { cloudController, uaa, logCache } = directory.origins(request)
    return {
      links: {
        self: { href: cloudController },
        bits_service: null,
        cloud_controller_v2: { href: `${cloudController}/v2`, meta: { version: v2Version } },
        cloud_controller_v3: { href: `${cloudController}/v3`, meta: { version: apiVersion } },
        network_policy_v0: null,
        network_policy_v1: null,
        login: { href: uaa },
        uaa: { href: uaa },
        credhub: null,
        routing: null,
        logging: null,
        log_cache: { href: logCache },
        log_stream: null,
        app_ssh: null,
      },
    }
  })

  api.get('/v3', (request) => {
    const { cloudController } = directory.origins(request)
    return {
      links: {
        self: { href: `${cloudController}/v3` },
        ...Object.fromEntries(v3Resources.map((name) => [name, { href: `${cloudController}/v3/${name}` }])),
      },
    }
  })

  api.get('/v3/info', (request) => {
    const { cloudController } = directory.origins(request)
    return {
      build: '',
      cli_version: { minimum: '8.0.0', recommended: '' },
      custom: {},
      description: 'Embedded Cloud Foundry of mesh-release',
      name: 'foundation',
      version: 0,
      rate_limits: { enabled: false, general_limit: 0, reset_interval_in_minutes: 0 },
      links: { self: { href: `${cloudController}/v3/info` }, support: { href: '' } },
    }
  })

  const v2Info = (request: Parameters<typeof directory.origins>[0]) => {
    const { uaa } = directory.origins(request)
    return {
      name: 'foundation',
      build: '',
      support: '',
      version: 0,
      description: 'Embedded Cloud Foundry of mesh-release',
      authorization_endpoint: uaa,
      token_endpoint: uaa,
      min_cli_version: null,
      min_recommended_cli_version: null,
      api_version: v2Version,
      osbapi_version: '2.15',
    }
  }
  api.get('/v2/info', v2Info)
}
