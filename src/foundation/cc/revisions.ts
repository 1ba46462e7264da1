import type { FastifyInstance } from 'fastify'
import type { App, Revision } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { appFor } from './apps.ts'
import { answerList, head, linkOf, toOne, type Link, type Platform } from './context.ts'
import { notFound } from './errors.ts'
import type { ListShape } from './list.ts'
import type { WithGuid } from './replies.ts'

const revisionList: ListShape<Revision, 'app'> = { filters: { app_guids: 'app', versions: ({ version }) => String(version) }, labels: true }

/** Records what an app is about to run, as part of the running transaction, unless the last revision says the same. */
export function createRevision(store: Store, app: App, description?: string): string | null {
  if (!app.features.revisions || !app.droplet) return null
  const commands = Object.fromEntries(store.processes.by('app', app.guid).map(({ type, command }) => [type, command]))
  const last = store.revisions.by('app', app.guid).sort((a, b) => b.version - a.version)[0]
  const changes = last ? differences(last, app, commands) : ['Initial revision.']
  if (last && !changes.length && !description) return last.guid
  const { droplet, environment } = app
  return store.revisions.insert({
    app: app.guid,
    version: (last?.version ?? 0) + 1,
    droplet,
    environment,
    commands,
    description: description ?? changes.join(' '),
    labels: {},
    annotations: {},
  }).guid
}

function differences(last: Revision, app: App, commands: Revision['commands']): string[] {
  return [
    ...(last.droplet === app.droplet ? [] : ['New droplet deployed.']),
    ...(JSON.stringify(last.environment) === JSON.stringify(app.environment) ? [] : ['New environment variables deployed.']),
    ...(JSON.stringify(last.commands) === JSON.stringify(commands) ? [] : ['Custom start command changed.']),
  ]
}

export function revisionRoutes(api: FastifyInstance, { store }: Platform): void {
  const present = (revision: Revision, link: Link) => {
    const path = `/v3/revisions/${revision.guid}`
    return {
      ...head(revision),
      version: revision.version,
      droplet: { guid: revision.droplet },
      processes: Object.fromEntries(Object.entries(revision.commands).map(([type, command]) => [type, { command }])),
      sidecars: [],
      description: revision.description,
      deployable: store.droplets.get(revision.droplet)?.state === 'STAGED',
      relationships: { app: toOne(revision.app) },
      metadata: { labels: revision.labels, annotations: revision.annotations },
      links: { self: link(path), app: link(`/v3/apps/${revision.app}`), environment_variables: link(`${path}/environment_variables`) },
    }
  }
  const found = (request: Parameters<typeof appFor>[1]): Revision => {
    const revision = store.revisions.get(request.params.guid)
    if (!revision || !request.caller.access.may('read', store.apps.get(revision.app)!.space)) throw notFound('Revision')
    return revision
  }

  api.get<WithGuid>('/v3/apps/:guid/revisions', (request) => {
    const app = appFor(store, request)
    return answerList(request, { table: store.revisions, shape: revisionList, present, extra: { app_guids: app.guid } })
  })
  api.get<WithGuid>('/v3/apps/:guid/revisions/deployed', (request) => {
    const app = appFor(store, request)
    const running = new Set(app.state === 'STARTED' ? store.processes.by('app', app.guid).map(({ revision }) => revision) : [])
    return answerList(request, {
      table: store.revisions,
      shape: revisionList,
      visible: (revision: Revision) => running.has(revision.guid),
      present,
      extra: { app_guids: app.guid },
    })
  })
  api.get<WithGuid>('/v3/revisions/:guid', (request) => present(found(request), linkOf(request)))
  api.get<WithGuid>('/v3/revisions/:guid/environment_variables', (request) => {
    const revision = found(request)
    if (!request.caller.access.may('readEnvironment', store.apps.get(revision.app)!.space)) throw notFound('Revision')
    const link = linkOf(request)
    const path = `/v3/revisions/${revision.guid}`
    return {
      var: revision.environment,
      links: { self: link(`${path}/environment_variables`), revision: link(path), app: link(`/v3/apps/${revision.app}`) },
    }
  })
}
