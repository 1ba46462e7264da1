import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { App } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { SpaceAction } from './access.ts'
import { assignDroplet, setState } from './app-lifecycle.ts'
import { audit } from './audit.ts'
import { Body, Name, Nullable, parseBody, ToOne, ToOneOrNull } from './body.ts'
import { answerList, finishedJob, head, linkOf, toOne, type Link, type Platform } from './context.ts'
import { appTarget, deleteApp } from './deletion.ts'
import { notFound, unprocessable } from './errors.ts'
import { mergeEnvironment } from './environment.ts'
import type { ListShape } from './list.ts'
import { mergeMetadata, MetadataField } from './metadata.ts'
import { presentOrganization } from './organizations.ts'
import { insertProcess } from './process-rows.ts'
import { accepted, type WithGuid } from './replies.ts'
import { presentSpace } from './spaces.ts'

export const stackName = 'cflinuxfs4'

const LifecycleField = Type.Optional(
  Body({
    type: Type.Enum(['buildpack'], { detail: 'is not included in the list: buildpack' }),
    data: Body({
      buildpacks: Type.Optional(Type.Unsafe<string[] | null>({ type: ['array', 'null'], items: { type: 'string' } })),
      stack: Type.Optional(Nullable.string()),
    }),
  }),
)
const AppCreate = Body({
  name: Name,
  relationships: Body({ space: ToOne }),
  environment_variables: Type.Optional(Type.Unknown()),
  lifecycle: LifecycleField,
  metadata: MetadataField,
})
const AppUpdate = Body({ name: Type.Optional(Name), lifecycle: LifecycleField, metadata: MetadataField })

const appList: ListShape<App, 'name' | 'space'> = {
  filters: { lifecycle_type: () => 'buildpack', stacks: ({ lifecycle }) => lifecycle.stack, names: 'name', space_guids: 'space' },
  include: ['space', 'space.organization', 'org'],
  orderBy: { name: ({ name }) => name, state: ({ state }) => state },
  labels: true,
}

function presentApp(app: App, link: Link): Record<string, unknown> {
  const path = `/v3/apps/${app.guid}`
  return {
    ...head(app),
    name: app.name,
    state: app.state,
    lifecycle: { type: 'buildpack', data: app.lifecycle },
    relationships: { space: toOne(app.space), current_droplet: toOne(app.droplet) },
    metadata: { labels: app.labels, annotations: app.annotations },
    links: {
      self: link(path),
      environment_variables: link(`${path}/environment_variables`),
      space: link(`/v3/spaces/${app.space}`),
      processes: link(`${path}/processes`),
      packages: link(`${path}/packages`),
      current_droplet: link(`${path}/droplets/current`),
      droplets: link(`${path}/droplets`),
      tasks: link(`${path}/tasks`),
      start: link(`${path}/actions/start`, 'POST'),
      stop: link(`${path}/actions/stop`, 'POST'),
      clear_buildpack_cache: link(`${path}/actions/clear_buildpack_cache`, 'POST'),
      revisions: link(`${path}/revisions`),
      deployed_revisions: link(`${path}/revisions/deployed`),
      features: link(`${path}/features`),
    },
  }
}

/** The app, if the caller may read it; and if `action` is given, may do that. */
export function appFor(store: Store, request: FastifyRequest<WithGuid>, action: SpaceAction = 'read'): App {
  const app = store.apps.get(request.params.guid)
  if (!app || !request.caller.access.may('read', app.space)) throw notFound('App')
  if (action !== 'read') request.caller.access.require(action, app.space)
  return app
}

/** Inserts an app with its web process, as part of the running transaction. */
export function createApp(
  store: Store,
  fields: Pick<App, 'name' | 'space' | 'environment' | 'labels' | 'annotations'> & { lifecycle?: App['lifecycle'] },
): App {
  const app = store.apps.insert({
    state: 'STOPPED',
    lifecycle: { buildpacks: [], stack: stackName },
    droplet: null,
    revision: null,
    features: { ssh: true, revisions: true },
    ...fields,
  })
  insertProcess(store, app, 'web', { guid: app.guid })
  return app
}

/** Throws UnprocessableEntity where the space has an app of that name. */
function requireFreeAppName(store: Store, space: string, name: string): void {
  if (store.apps.by('name', name).some((app) => app.space === space)) throw unprocessable(`App with the name '${name}' already exists.`)
}

export function appRoutes(api: FastifyInstance, { store }: Platform): void {
  const included = (rows: App[], include: string[], link: Link) => {
    const spaces = [...new Set(rows.map(({ space }) => space))].map((guid) => store.spaces.get(guid)!)
    const organizations = [...new Set(spaces.map(({ organization }) => organization))].map((guid) => store.organizations.get(guid)!)
    return {
      ...(include.some((name) => name.startsWith('space')) && { spaces: spaces.map((space) => presentSpace(space, link)) }),
      ...(include.some((name) => name.startsWith('space.') || name === 'org') && {
        organizations: organizations.map((organization) => presentOrganization(organization, link)),
      }),
    }
  }

  api.get('/v3/apps', (request) => {
    const readable = request.caller.access.spaces('read')
    const shape = {
      ...appList,
      filters: { ...appList.filters, organization_guids: ({ space }: App) => store.spaces.get(space)?.organization },
    }
    return answerList(request, {
      table: store.apps,
      shape,
      visible: readable && ((app: App) => readable.has(app.space)),
      present: presentApp,
      included,
    })
  })

  api.get<WithGuid & { Querystring: { include?: string } }>('/v3/apps/:guid', (request) => {
    const app = appFor(store, request)
    const link = linkOf(request)
    const include = request.query.include?.split(',') ?? []
    return { ...presentApp(app, link), ...(include.length && { included: included([app], include, link) }) }
  })

  api.post('/v3/apps', (request, reply) => {
    const { access, actor } = request.caller
    const body = parseBody(AppCreate, request.body)
    const environment = mergeEnvironment(body.environment_variables)
    const metadata = mergeMetadata(body.metadata)
    const space = store.spaces.get(body.relationships.space.data.guid)
    if (!space || !access.may('read', space.guid))
      throw unprocessable('Invalid space. Ensure that the space exists and you have access to it.')
    access.require('write', space.guid)
    requireFreeAppName(store, space.guid, body.name)
    const app = store.transaction(() => {
      const created = createApp(store, {
        name: body.name,
        space: space.guid,
        environment,
        ...metadata,
        ...(body.lifecycle && { lifecycle: lifecycleOf(body.lifecycle.data) }),
      })
      audit(
        store,
        'audit.app.create',
        actor,
        appTarget(created),
        { space: space.guid },
        { request: { ...body, environment_variables: '[PRIVATE DATA HIDDEN]' } },
      )
      return created
    })
    return reply.code(201).send(presentApp(app, linkOf(request)))
  })

  api.patch<WithGuid>('/v3/apps/:guid', (request) => {
    const app = appFor(store, request, 'write')
    const { name, lifecycle, metadata } = parseBody(AppUpdate, request.body)
    const merged = mergeMetadata(metadata, app)
    if (name !== undefined && name !== app.name) requireFreeAppName(store, app.space, name)
    const updated = store.transaction(() => {
      const after = store.apps.update(app.guid, {
        ...(name !== undefined && { name }),
        ...(lifecycle && { lifecycle: lifecycleOf(lifecycle.data, app.lifecycle) }),
        ...merged,
      })
      audit(store, 'audit.app.update', request.caller.actor, appTarget(after), { space: app.space }, { request: request.body })
      return after
    })
    return presentApp(updated, linkOf(request))
  })

  api.delete<WithGuid>('/v3/apps/:guid', (request, reply) => {
    const app = appFor(store, request, 'write')
    const job = store.transaction(() => {
      deleteApp(store, app, request.caller.actor)
      return finishedJob(store, 'app.delete')
    })
    return accepted(request, reply, job)
  })

  for (const action of ['start', 'stop', 'restart'] as const) {
    api.post<WithGuid>(`/v3/apps/:guid/actions/${action}`, (request) => {
      const app = appFor(store, request, 'manageApps')
      if (action !== 'stop' && !app.droplet) throw unprocessable('Assign a droplet before starting this app.')
      store.transaction(() => setState(store, app, action, request.caller.actor))
      return presentApp(store.apps.get(app.guid)!, linkOf(request))
    })
  }

  api.post<WithGuid>('/v3/apps/:guid/actions/clear_buildpack_cache', (request, reply) => {
    appFor(store, request, 'manageApps')
    return accepted(
      request,
      reply,
      store.transaction(() => finishedJob(store, 'app.clear_buildpack_cache')),
    )
  })

  api.get<WithGuid>('/v3/apps/:guid/permissions', (request) => {
    const app = appFor(store, request)
    return { read_basic_data: true, read_sensitive_data: request.caller.access.may('readSecrets', app.space) }
  })

  api.patch<WithGuid>('/v3/apps/:guid/relationships/current_droplet', (request) => {
    const app = appFor(store, request, 'manageApps')
    const guid = parseBody(ToOneOrNull, request.body).data?.guid
    const droplet = store.droplets.get(guid)
    if (!droplet || droplet.app !== app.guid)
      throw unprocessable('Unable to assign current droplet. Ensure the droplet exists and belongs to this app.')
    if (droplet.state !== 'STAGED')
      throw unprocessable(`Unable to assign current droplet. Ensure the droplet exists and belongs to this app.`)
    store.transaction(() => assignDroplet(store, app, droplet, request.caller.actor))
    return { ...toOne(droplet.guid), links: currentDropletLinks(app, linkOf(request)) }
  })

  api.get<WithGuid>('/v3/apps/:guid/relationships/current_droplet', (request) => {
    const app = appFor(store, request)
    if (!app.droplet) throw notFound('Droplet')
    return { ...toOne(app.droplet), links: currentDropletLinks(app, linkOf(request)) }
  })
}

function currentDropletLinks({ guid }: App, link: Link) {
  return { self: link(`/v3/apps/${guid}/relationships/current_droplet`), related: link(`/v3/apps/${guid}/droplets/current`) }
}

function lifecycleOf(
  data: { buildpacks?: string[] | null; stack?: string | null },
  current: App['lifecycle'] = { buildpacks: [], stack: stackName },
): App['lifecycle'] {
  const buildpacks = data.buildpacks === undefined ? current.buildpacks : (data.buildpacks ?? [])
  if (data.stack && data.stack !== stackName) throw unprocessable('Lifecycle Stack must be an existing stack')
  return { buildpacks, stack: stackName }
}
