import type { FastifyInstance } from 'fastify'
import { emptyList, linkOf, timestamp, toMany, type Platform } from './context.ts'
import { notFound } from './errors.ts'
import { paginated, parseList } from './list.ts'
import type { WithGuid } from './replies.ts'

/** Guid of the one quota that every organization has; it limits nothing. */
export const defaultQuota = '00000000-0000-4000-8000-000000000001'

export function quotaRoutes(api: FastifyInstance, { store }: Platform): void {
  const quota = (link: ReturnType<typeof linkOf>, seesAll: boolean) => ({
    guid: defaultQuota,
    created_at: timestamp(0),
    updated_at: timestamp(0),
    name: 'default',
    apps: {
      total_memory_in_mb: null,
      per_process_memory_in_mb: null,
      total_instances: null,
      per_app_tasks: null,
      log_rate_limit_in_bytes_per_second: null,
    },
    services: { paid_services_allowed: true, total_service_instances: null, total_service_keys: null },
    routes: { total_routes: null, total_reserved_ports: null },
    domains: { total_domains: null },
    relationships: { organizations: toMany(seesAll ? [...store.organizations.values()].map(({ guid }) => guid) : []) },
    links: { self: link(`/v3/organization_quotas/${defaultQuota}`) },
  })

  api.get('/v3/organization_quotas', (request) => {
    const query = parseList<never>(request.query, { filters: { names: 'any', organization_guids: 'any' }, orderBy: { name: () => '' } })
    const named = query.filters.get('names')?.includes('default') ?? true
    const asked = query.filters.get('guids')?.includes(defaultQuota) ?? true
    const link = linkOf(request)
    const found = named && asked ? [quota(link, request.caller.access.readsGlobally)] : []
    return { ...paginated(query, { rows: [], total: found.length }, link('/v3/organization_quotas').href, (row) => row), resources: found }
  })

  api.get<WithGuid>('/v3/organization_quotas/:guid', (request) => {
    if (request.params.guid !== defaultQuota) throw notFound('Organization quota')
    return quota(linkOf(request), request.caller.access.readsGlobally)
  })

  api.get('/v3/space_quotas', emptyList)
}
