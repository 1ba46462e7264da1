import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Deployment, Revision } from '../store/rows.ts'
import { Body, parseBody, ToOne } from './body.ts'
import { answerList, head, linkOf, timestamp, toOne, type Link, type Platform } from './context.ts'
import { notFound, unprocessable } from './errors.ts'
import type { ListShape } from './list.ts'
import { mergeMetadata, MetadataField } from './metadata.ts'
import type { WithGuid } from './replies.ts'
import { RollingDeployments } from './rolling.ts'

const GuidField = Body({ guid: Type.String({ minLength: 1 }) })
const DeploymentCreate = Body({
  relationships: Body({ app: ToOne }),
  droplet: Type.Optional(GuidField),
  revision: Type.Optional(GuidField),
  strategy: Type.Optional(Type.Enum(['rolling'], { detail: 'is not a supported deployment strategy: only rolling is' })),
  options: Type.Optional(
    Body({
      max_in_flight: Type.Optional(Type.Integer({ minimum: 1, detail: 'must be an integer greater than 0' })),
      web_instances: Type.Optional(Type.Integer({ minimum: 1 })),
      memory_in_mb: Type.Optional(Type.Integer({ minimum: 1 })),
      disk_in_mb: Type.Optional(Type.Integer({ minimum: 1 })),
      log_rate_limit_in_bytes_per_second: Type.Optional(Type.Integer({ minimum: -1 })),
    }),
  ),
  metadata: MetadataField,
})
const DeploymentUpdate = Body({ metadata: MetadataField })

const active = ({ state }: Deployment) => state === 'DEPLOYING'
const deploymentList: ListShape<Deployment, 'app' | 'active'> = {
  filters: {
    app_guids: 'app',
    states: ({ state }) => state,
    status_values: (deployment) => (active(deployment) ? 'ACTIVE' : 'FINALIZED'),
    status_reasons: ({ state }) => state,
  },
  labels: true,
}

function presentDeployment(deployment: Deployment, revision: Revision | undefined, link: Link): Record<string, unknown> {
  const path = `/v3/deployments/${deployment.guid}`
  return {
    ...head(deployment),
    status: {
      value: active(deployment) ? 'ACTIVE' : 'FINALIZED',
      reason: deployment.state,
      details: { last_successful_healthcheck: timestamp(deployment.lastHealthyAt), last_status_change: timestamp(deployment.changedAt) },
    },
    strategy: deployment.strategy,
    options: { max_in_flight: deployment.maxInFlight },
    droplet: { guid: deployment.droplet },
    previous_droplet: { guid: deployment.previousDroplet },
    new_processes: [{ guid: deployment.process, type: 'web' }],
    revision: revision ? { guid: revision.guid, version: revision.version } : null,
    relationships: { app: toOne(deployment.app) },
    metadata: { labels: deployment.labels, annotations: deployment.annotations },
    links: {
      self: link(path),
      app: link(`/v3/apps/${deployment.app}`),
      ...(active(deployment) && { cancel: link(`${path}/actions/cancel`, 'POST') }),
    },
  }
}

export function deploymentRoutes(api: FastifyInstance, platform: Platform): void {
  const { store } = platform
  const rolling = new RollingDeployments(platform)
  const present = (deployment: Deployment, link: Link) => presentDeployment(deployment, store.revisions.get(deployment.revision), link)
  const spaceOf = ({ app }: Deployment) => store.apps.get(app)?.space

  const find = (request: FastifyRequest<WithGuid>, change = false): Deployment => {
    const deployment = store.deployments.get(request.params.guid)
    const space = deployment && spaceOf(deployment)
    if (!deployment || !space || !request.caller.access.may('read', space)) throw notFound('Deployment')
    if (change) request.caller.access.require('manageApps', space)
    return deployment
  }

  api.get('/v3/deployments', (request) => {
    const readable = request.caller.access.spaces('read')
    return answerList(request, {
      table: store.deployments,
      shape: deploymentList,
      visible: readable && ((deployment: Deployment) => readable.has(spaceOf(deployment)!)),
      present,
    })
  })
  api.get<WithGuid>('/v3/deployments/:guid', (request) => present(find(request), linkOf(request)))

  api.post('/v3/deployments', (request, reply) => {
    const { access, actor } = request.caller
    const body = parseBody(DeploymentCreate, request.body)
    const metadata = mergeMetadata(body.metadata)
    const app = store.apps.get(body.relationships.app.data.guid)
    if (!app || !access.may('read', app.space))
      throw unprocessable('Unable to use app. Ensure that the app exists and you have access to it.')
    access.require('manageApps', app.space)
    if (body.droplet && body.revision) throw unprocessable('Cannot set both fields: droplet and revision')
    const { droplet, revision, options = {} } = body
    const deployment = store.transaction(() =>
      rolling.create(app, { droplet: droplet?.guid, revision: revision?.guid, options, metadata }, actor),
    )
    return reply.code(201).send(present(deployment, linkOf(request)))
  })

  api.patch<WithGuid>('/v3/deployments/:guid', (request) => {
    const deployment = find(request, true)
    const merged = mergeMetadata(parseBody(DeploymentUpdate, request.body).metadata, deployment)
    return present(
      store.transaction(() => store.deployments.update(deployment.guid, merged)),
      linkOf(request),
    )
  })

  api.post<WithGuid>('/v3/deployments/:guid/actions/cancel', (request, reply) => {
    const deployment = find(request, true)
    if (deployment.state === 'DEPLOYING') store.transaction(() => rolling.cancel(deployment, request.caller.actor))
    else if (deployment.state !== 'CANCELED') throw unprocessable(`Cannot cancel a ${deployment.state} deployment`)
    return reply.code(200).send()
  })

  api.post<WithGuid>('/v3/deployments/:guid/actions/continue', (request) => {
    const deployment = find(request, true)
    throw unprocessable(
      `Cannot continue a deployment with status: ${active(deployment) ? 'ACTIVE' : 'FINALIZED'} and reason: ${deployment.state}`,
    )
  })
}
