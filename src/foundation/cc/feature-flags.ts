import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Store } from '../store/store.ts'
import { Body, Nullable, parseBody } from './body.ts'
import { linkOf, timestamp, type Link, type Platform } from './context.ts'
import { featureDisabled, notFound } from './errors.ts'
import { paginated, parseList } from './list.ts'

/** Cloud Controller's feature flags, with their defaults. */
const defaults: Record<string, boolean> = {
  app_bits_upload: true,
  app_scaling: true,
  diego_cnb: false,
  diego_docker: false,
  env_var_visibility: true,
  hash_based_routing: true,
  hide_marketplace_from_unauthenticated_users: false,
  private_domain_creation: true,
  resource_matching: true,
  route_creation: true,
  route_sharing: true,
  service_instance_creation: true,
  service_instance_sharing: false,
  set_roles_by_username: true,
  space_developer_env_var_visibility: true,
  space_scoped_private_broker_creation: true,
  task_creation: false,
  unset_roles_by_username: true,
  user_org_creation: false,
}

const FlagUpdate = Body({
  enabled: Type.Optional(Type.Boolean()),
  custom_error_message: Type.Optional(Nullable.string({ maxLength: 250 })),
})

interface Flag {
  enabled: boolean
  message: string | null
  changedAt: number
}

function flag(store: Store, name: string): Flag | undefined {
  const changed = store.settings.first('name', `feature_flag.${name}`)
  if (changed) return changed.value as Flag
  return Object.hasOwn(defaults, name) ? { enabled: defaults[name]!, message: null, changedAt: 0 } : undefined
}

/** Throws FeatureDisabled where an admin has switched `name` off. */
export function featureEnabled(store: Store, name: string): void {
  const { enabled, message } = flag(store, name)!
  if (!enabled) throw featureDisabled(message ?? name)
}

export function featureFlagRoutes(api: FastifyInstance, { store }: Platform): void {
  const present = (name: string, link: Link) => {
    const { enabled, message, changedAt } = flag(store, name)!
    return {
      name,
      enabled,
      updated_at: changedAt ? timestamp(changedAt) : null,
      custom_error_message: message,
      links: { self: link(`/v3/feature_flags/${name}`) },
    }
  }

  api.get('/v3/feature_flags', (request) => {
    const query = parseList<never>(request.query, { orderBy: { name: () => '' } })
    const names = Object.keys(defaults)
    const link = linkOf(request)
    const shown = names.slice((query.page - 1) * query.perPage, query.page * query.perPage)
    return {
      ...paginated(query, { rows: [], total: names.length }, link('/v3/feature_flags').href, (row) => row),
      resources: shown.map((name) => present(name, link)),
    }
  })

  api.get<{ Params: { name: string } }>('/v3/feature_flags/:name', (request) => {
    if (!flag(store, request.params.name)) throw notFound('Feature flag')
    return present(request.params.name, linkOf(request))
  })

  api.patch<{ Params: { name: string } }>('/v3/feature_flags/:name', (request) => {
    const { name } = request.params
    request.caller.access.requireAdmin()
    const current = flag(store, name)
    if (!current) throw notFound('Feature flag')
    const { enabled = current.enabled, custom_error_message: message = current.message } = parseBody(FlagUpdate, request.body)
    const value: Flag = { enabled, message, changedAt: Date.now() }
    store.transaction(() => {
      const row = store.settings.first('name', `feature_flag.${name}`)
      if (row) store.settings.update(row.guid, { value })
      else store.settings.insert({ name: `feature_flag.${name}`, value })
    })
    return present(name, linkOf(request))
  })
}
