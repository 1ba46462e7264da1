import type { FastifyInstance } from 'fastify'
import { stackName } from './apps.ts'
import { emptyList, linkOf, timestamp, type Link, type Platform } from './context.ts'
import { notFound } from './errors.ts'
import { paginated, parseList } from './list.ts'
import { usage } from './organizations.ts'
import type { WithGuid } from './replies.ts'

const stackGuid = '00000000-0000-4000-8000-000000000002'

/** What the runner can stage, by the names that cf-deployment gives its buildpacks. */
const buildpacks = ['nodejs_buildpack', 'staticfile_buildpack', 'binary_buildpack'].map((name, at) => ({ name, position: at + 1, guid: `00000000-0000-4000-8000-00000000001${at}` }))

/** Resources that this foundation has none of; cf asks for them all the same, and fails on a 404. */
const absent = [
  'app_usage_events', 'isolation_segments', 'security_groups', 'service_brokers', 'service_credential_bindings', 'service_instances', 'service_offerings',
  'service_plans', 'service_route_bindings', 'service_usage_events', 'tasks', 'route_policies', 'apps/:guid/sidecars', 'apps/:guid/tasks',
]

/** What belongs to the platform and never changes: stack, buildpacks, and what there is none of. */
export function platformRoutes(api: FastifyInstance, { store }: Platform): void {
  for (const path of absent) api.get(`/v3/${path}`, emptyList)
  for (const [name, label] of [['service_instances', 'Service instance'], ['isolation_segments', 'Isolation segment'], ['security_groups', 'Security group'], ['tasks', 'Task'], ['service_route_bindings', 'Service route binding']] as const) {
    api.get<WithGuid>(`/v3/${name}/:guid`, () => {
      throw notFound(label)
    })
  }

  const stack = (link: Link) => ({
    guid: stackGuid,
    created_at: timestamp(0),
    updated_at: timestamp(0),
    name: stackName,
    description: 'The machine that this foundation runs on',
    build_rootfs_image: stackName,
    run_rootfs_image: stackName,
    default: true,
    metadata: { labels: {}, annotations: {} },
    links: { self: link(`/v3/stacks/${stackGuid}`) },
  })
  const buildpack = ({ guid, name, position }: (typeof buildpacks)[number], link: Link) => ({
    guid,
    created_at: timestamp(0),
    updated_at: timestamp(0),
    name,
    stack: stackName,
    state: 'READY',
    filename: `${name}.zip`,
    position,
    lifecycle: 'buildpack',
    enabled: true,
    locked: false,
    metadata: { labels: {}, annotations: {} },
    links: { self: link(`/v3/buildpacks/${guid}`), upload: link(`/v3/buildpacks/${guid}/upload`, 'POST') },
  })

  api.get('/v3/stacks', (request) => {
    const query = parseList<never>(request.query, { filters: { names: 'any', default: 'any' }, orderBy: { name: () => '' }, labels: true })
    const link = linkOf(request)
    const found = query.filters.get('names')?.includes(stackName) ?? true ? [stack(link)] : []
    return { ...paginated(query, { rows: [], total: found.length }, link('/v3/stacks').href, (row) => row), resources: found }
  })
  api.get<WithGuid>('/v3/stacks/:guid', (request) => {
    if (request.params.guid !== stackGuid) throw notFound('Stack')
    return stack(linkOf(request))
  })

  api.get('/v3/buildpacks', (request) => {
    const query = parseList<never>(request.query, { filters: { names: 'any', stacks: 'any', lifecycle: 'any' }, orderBy: { position: () => 0 }, labels: true })
    const link = linkOf(request)
    const found = buildpacks.filter(({ name }) => query.filters.get('names')?.includes(name) ?? true)
    return { ...paginated(query, { rows: [], total: found.length }, link('/v3/buildpacks').href, (row) => row), resources: found.map((one) => buildpack(one, link)) }
  })
  api.get<WithGuid>('/v3/buildpacks/:guid', (request) => {
    const found = buildpacks.find(({ guid }) => guid === request.params.guid)
    if (!found) throw notFound('Buildpack')
    return buildpack(found, linkOf(request))
  })

  api.get('/v3/info/usage_summary', (request) => {
    request.caller.access.requireAdmin()
    return { usage_summary: usage(store, [...store.spaces.values()]), links: { self: linkOf(request)('/v3/info/usage_summary') } }
  })
}
