import type { FastifyInstance } from 'fastify'
import { Table, type Row } from '../store/table.ts'
import { stackName } from './apps.ts'
import { emptyList, linkOf, timestamp, type Link, type Platform } from './context.ts'
import { notFound } from './errors.ts'
import { paginated, parseList, selectPage, type ListShape } from './list.ts'
import { usage } from './organizations.ts'
import type { WithGuid } from './replies.ts'

interface Fixed extends Row {
  name: string
  position: number
  labels: Record<string, string>
}

/** A table of what never changes, so that it lists as everything else does. */
function fixed(kind: string, rows: { name: string; guid: string }[]): Table<Fixed, 'name'> {
  let seq = 0
  const table = new Table<Fixed, 'name'>(kind, { nextSeq: () => ++seq, record: () => {} }, { name: ({ name }) => name })
  for (const [at, row] of rows.entries()) table.insert({ ...row, position: at + 1, labels: {}, createdAt: 0, updatedAt: 0 })
  return table
}

const stacks = fixed('stack', [{ name: stackName, guid: '00000000-0000-4000-8000-000000000002' }])
const stackList: ListShape<Fixed, 'name'> = {
  filters: { names: 'name', default: 'any' },
  orderBy: { name: ({ name }) => name },
  labels: true,
}

/** What the runner can stage, by the names that cf-deployment gives its buildpacks. */
const buildpacks = fixed(
  'buildpack',
  ['nodejs_buildpack', 'staticfile_buildpack', 'binary_buildpack'].map((name, at) => ({
    name,
    guid: `00000000-0000-4000-8000-00000000001${at}`,
  })),
)
const buildpackList: ListShape<Fixed, 'name'> = {
  filters: { names: 'name', stacks: 'any', lifecycle: 'any' },
  orderBy: { position: ({ position }) => position },
  labels: true,
}

/** Resources that this foundation has none of; cf asks for them all the same, and fails on a 404. */
const absent = [
  'app_usage_events',
  'isolation_segments',
  'security_groups',
  'service_brokers',
  'service_credential_bindings',
  'service_instances',
  'service_offerings',
  'service_plans',
  'service_route_bindings',
  'service_usage_events',
  'tasks',
  'route_policies',
  'apps/:guid/sidecars',
  'apps/:guid/tasks',
]

/** What belongs to the platform and never changes: stack, buildpacks, and what there is none of. */
export function platformRoutes(api: FastifyInstance, { store }: Platform): void {
  for (const path of absent) api.get(`/v3/${path}`, emptyList)
  for (const [name, label] of [
    ['service_instances', 'Service instance'],
    ['isolation_segments', 'Isolation segment'],
    ['security_groups', 'Security group'],
    ['tasks', 'Task'],
    ['service_route_bindings', 'Service route binding'],
  ] as const) {
    api.get<WithGuid>(`/v3/${name}/:guid`, () => {
      throw notFound(label)
    })
  }

  const common = ({ guid, name, createdAt, updatedAt, labels }: Fixed) => ({
    guid,
    created_at: timestamp(createdAt),
    updated_at: timestamp(updatedAt),
    name,
    metadata: { labels, annotations: {} },
  })
  const stack = (row: Fixed, link: Link) => ({
    ...common(row),
    description: 'The machine that this foundation runs on',
    build_rootfs_image: row.name,
    run_rootfs_image: row.name,
    default: true,
    links: { self: link(`/v3/stacks/${row.guid}`) },
  })
  const buildpack = (row: Fixed, link: Link) => ({
    ...common(row),
    stack: stackName,
    state: 'READY',
    filename: `${row.name}.zip`,
    position: row.position,
    lifecycle: 'buildpack',
    enabled: true,
    locked: false,
    links: { self: link(`/v3/buildpacks/${row.guid}`), upload: link(`/v3/buildpacks/${row.guid}/upload`, 'POST') },
  })

  for (const [path, label, table, shape, present] of [
    ['/v3/stacks', 'Stack', stacks, stackList, stack],
    ['/v3/buildpacks', 'Buildpack', buildpacks, buildpackList, buildpack],
  ] as const) {
    api.get(path, (request) => {
      const query = parseList(request.query, shape)
      const link = linkOf(request)
      return paginated(query, selectPage(table, shape, query), link(path).href, (row) => present(row, link))
    })
    api.get<WithGuid>(`${path}/:guid`, (request) => {
      const row = table.get(request.params.guid)
      if (!row) throw notFound(label)
      return present(row, linkOf(request))
    })
  }

  api.get('/v3/info/usage_summary', (request) => {
    request.caller.access.requireAdmin()
    return { usage_summary: usage(store, [...store.spaces.values()]), links: { self: linkOf(request)('/v3/info/usage_summary') } }
  })
}
