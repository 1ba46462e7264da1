import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'
import type { InstanceState } from '../diego.ts'
import type { App, Process } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { SpaceAction } from './access.ts'
import { appFor } from './apps.ts'
import { audit } from './audit.ts'
import { Body, Nullable, parseBody } from './body.ts'
import { answerList, emptyList, head, linkOf, timestamp, toOne, type Link, type Platform } from './context.ts'
import { appTarget } from './deletion.ts'
import { commandOf } from './environment.ts'
import { notFound, unprocessable } from './errors.ts'
import { featureEnabled } from './feature-flags.ts'
import type { ListShape } from './list.ts'
import { mergeMetadata, MetadataField } from './metadata.ts'
import { diegoGuid, processOf } from './process-rows.ts'

const positive = Nullable.integer({ minimum: 1, maximum: 2_147_483_647 })
const CheckType = Type.Enum(['port', 'process', 'http'], { detail: 'must be "port", "process", or "http"' })
const Endpoint = Nullable.string({ maxLength: 255, pattern: '^/', detail: 'must be a valid URI path' })

export const ProcessUpdate = Body({
  command: Type.Optional(Nullable.string({ minLength: 1, maxLength: 4096, detail: 'must be between 1 and 4096 characters' })),
  health_check: Type.Optional(
    Body({
      type: Type.Optional(CheckType),
      data: Type.Optional(
        Body({
          timeout: Type.Optional(positive),
          invocation_timeout: Type.Optional(positive),
          interval: Type.Optional(positive),
          endpoint: Type.Optional(Endpoint),
        }),
      ),
    }),
  ),
  readiness_health_check: Type.Optional(
    Body({
      type: Type.Optional(CheckType),
      data: Type.Optional(
        Body({ invocation_timeout: Type.Optional(positive), interval: Type.Optional(positive), endpoint: Type.Optional(Endpoint) }),
      ),
    }),
  ),
  metadata: MetadataField,
})
export type ProcessUpdate = Static<typeof ProcessUpdate>

export const ProcessScale = Body({
  instances: Type.Optional(Nullable.integer({ minimum: 0, maximum: 2_147_483_647 })),
  memory_in_mb: Type.Optional(positive),
  disk_in_mb: Type.Optional(positive),
  log_rate_limit_in_bytes_per_second: Type.Optional(Nullable.integer({ minimum: -1 })),
})
export type ProcessScale = Static<typeof ProcessScale>

const list: ListShape<Process, 'app'> = { filters: { types: ({ type }) => type, app_guids: 'app' }, labels: true }

/** Every process is reachable by its guid and by its app and type. */
interface WithProcess {
  Params: { guid: string; type?: string }
}

export function processRoutes(api: FastifyInstance, platform: Platform): void {
  const { store, diego } = platform

  const find = (request: FastifyRequest<WithProcess>, action: SpaceAction = 'read'): { process: Process; app: App } => {
    const { guid, type } = request.params
    const app = type === undefined ? store.apps.get(store.processes.get(guid)?.app) : appFor(store, request)
    const process = type === undefined ? store.processes.get(guid) : processOf(store, guid, type)
    if (!app || !process || !request.caller.access.may('read', app.space)) throw notFound('Process')
    if (action !== 'read') request.caller.access.require(action, app.space)
    return { process, app }
  }
  const present = (request: FastifyRequest, { process, app }: { process: Process; app: App }, link = linkOf(request)) =>
    presentProcess(store, process, request.caller.access.may('readSecrets', app.space), link)

  const listOptions = (request: FastifyRequest) => {
    const readable = request.caller.access.spaces('read')
    const shape: typeof list = {
      ...list,
      filters: {
        ...list.filters,
        space_guids: ({ app }) => store.apps.get(app)?.space,
        organization_guids: ({ app }) => store.spaces.get(store.apps.get(app)?.space)?.organization,
      },
    }
    return {
      table: store.processes,
      shape,
      visible: readable && ((process: Process) => readable.has(store.apps.get(process.app)!.space)),
      // In lists the command is hidden, as it may hold a secret.
      present: (process: Process, link: Link) => presentProcess(store, process, false, link),
    }
  }
  api.get('/v3/processes', (request) => answerList(request, listOptions(request)))
  api.get<{ Params: { guid: string } }>('/v3/apps/:guid/processes', (request) => {
    const app = appFor(store, request)
    return answerList(request, { ...listOptions(request), extra: { app_guids: app.guid } })
  })

  for (const path of ['/v3/processes/:guid', '/v3/apps/:guid/processes/:type']) {
    api.get<WithProcess>(path, (request) => present(request, find(request)))

    api.patch<WithProcess>(path, (request) => {
      const { process, app } = find(request, 'write')
      const body = parseBody(ProcessUpdate, request.body)
      const metadata = mergeMetadata(body.metadata, process)
      const updated = store.transaction(() => {
        const after = store.processes.update(process.guid, { ...updatedFields(process, body), ...metadata })
        audit(
          store,
          'audit.app.process.update',
          request.caller.actor,
          appTarget(app),
          { space: app.space },
          {
            process_guid: process.guid,
            process_type: process.type,
            request: { ...body, ...(body.command !== undefined && { command: '[PRIVATE DATA HIDDEN]' }) },
          },
        )
        return after
      })
      return present(request, { process: updated, app })
    })

    api.post<WithProcess>(`${path}/actions/scale`, (request, reply) => {
      const { access, actor } = request.caller
      const { process, app } = find(request, 'manageApps')
      if (!access.isAdmin) featureEnabled(store, 'app_scaling')
      const body = parseBody(ProcessScale, request.body)
      if (process.type === 'web' && deploying(store, app)) throw unprocessable('Cannot scale this process while a deployment is in flight.')
      const scaled = store.transaction(() => {
        const after = store.processes.update(process.guid, scaledFields(process, body))
        audit(
          store,
          'audit.app.process.scale',
          actor,
          appTarget(app),
          { space: app.space },
          { process_guid: process.guid, process_type: process.type, request: body },
        )
        return after
      })
      return reply.code(202).send(present(request, { process: scaled, app }))
    })

    api.get<WithProcess>(`${path}/stats`, (request) => {
      const { process, app } = find(request)
      return { resources: stats(process, app, app.state === 'STARTED' ? diego.instances(diegoGuid(process)) : []) }
    })

    api.get<WithProcess>(`${path}/sidecars`, (request) => {
      find(request)
      return emptyList(request)
    })

    api.delete<{ Params: WithProcess['Params'] & { index: string } }>(`${path}/instances/:index`, (request, reply) => {
      const { process, app } = find(request, 'manageApps')
      const index = Number(request.params.index)
      if (!Number.isInteger(index) || index < 0 || index >= process.instances) throw notFound('Instance')
      if (app.state === 'STARTED') diego.restartInstance(diegoGuid(process), index)
      store.transaction(() =>
        audit(
          store,
          'audit.app.process.terminate_instance',
          request.caller.actor,
          appTarget(app),
          { space: app.space },
          { process_guid: process.guid, process_type: process.type, process_index: index },
        ),
      )
      return reply.code(204).send()
    })
  }

  api.get<WithProcess>('/v3/processes/:guid/process_instances', (request) => {
    const { process, app } = find(request)
    const instances = app.state === 'STARTED' ? diego.instances(diegoGuid(process)) : []
    const link = linkOf(request)
    return {
      resources: filled(process, app, instances).map(({ index, state, since }) => ({
        index,
        state,
        since: Math.max(0, Math.floor((Date.now() - since) / 1000)),
      })),
      links: { self: link(`/v3/processes/${process.guid}/process_instances`), process: link(`/v3/processes/${process.guid}`) },
    }
  })
}

function deploying(store: Store, app: App): boolean {
  return store.deployments.by('app', app.guid).some(({ state }) => state === 'DEPLOYING')
}

function presentProcess(store: Store, process: Process, secrets: boolean, link: Link): Record<string, unknown> {
  const { healthCheck, readinessCheck } = process
  const path = `/v3/processes/${process.guid}`
  const app = store.apps.get(process.app)!
  const command = commandOf(process, store.droplets.get(process.droplet ?? app.droplet)) || null
  return {
    ...head(process),
    version: process.version,
    type: process.type,
    command: secrets || command === null ? command : '[PRIVATE DATA HIDDEN]',
    user: 'vcap',
    instances: process.instances,
    memory_in_mb: process.memoryMb,
    disk_in_mb: process.diskMb,
    log_rate_limit_in_bytes_per_second: process.logRateLimit,
    health_check: {
      type: healthCheck.type,
      data: {
        timeout: healthCheck.timeout,
        invocation_timeout: healthCheck.invocationTimeout,
        interval: healthCheck.interval,
        ...(healthCheck.type === 'http' && { endpoint: healthCheck.endpoint }),
      },
    },
    readiness_health_check: {
      type: readinessCheck.type,
      data: {
        invocation_timeout: readinessCheck.invocationTimeout,
        interval: readinessCheck.interval,
        ...(readinessCheck.type === 'http' && { endpoint: readinessCheck.endpoint }),
      },
    },
    relationships: { app: toOne(process.app), revision: process.revision && toOne(process.revision) },
    metadata: { labels: process.labels, annotations: process.annotations },
    links: {
      self: link(path),
      scale: link(`${path}/actions/scale`, 'POST'),
      app: link(`/v3/apps/${process.app}`),
      space: link(`/v3/spaces/${app.space}`),
      stats: link(`${path}/stats`),
      process_instances: link(`${path}/process_instances`),
    },
  }
}

/** What an update changes; as in Cloud Controller, it waits for the next start. */
export function updatedFields(
  process: Process,
  { command, health_check: health, readiness_health_check: readiness }: ProcessUpdate,
): Partial<Process> {
  const check = health?.data ?? {}
  const type = health?.type ?? process.healthCheck.type
  if (type !== 'http' && check.endpoint) throw unprocessable('Health check type must be "http" to set a health check HTTP endpoint.')
  const healthCheck: Process['healthCheck'] = {
    type,
    timeout: check.timeout === undefined ? process.healthCheck.timeout : check.timeout,
    invocationTimeout: check.invocation_timeout === undefined ? process.healthCheck.invocationTimeout : check.invocation_timeout,
    interval: check.interval === undefined ? process.healthCheck.interval : check.interval,
    endpoint: type === 'http' ? (check.endpoint ?? process.healthCheck.endpoint ?? '/') : null,
  }
  const ready = readiness?.data ?? {}
  const readinessType = readiness?.type ?? process.readinessCheck.type
  const readinessCheck: Process['readinessCheck'] = {
    type: readinessType,
    invocationTimeout: ready.invocation_timeout === undefined ? process.readinessCheck.invocationTimeout : ready.invocation_timeout,
    interval: ready.interval === undefined ? process.readinessCheck.interval : ready.interval,
    endpoint: readinessType === 'http' ? (ready.endpoint ?? process.readinessCheck.endpoint ?? '/') : null,
  }
  return { ...(command !== undefined && { command }), healthCheck, readinessCheck }
}

/** What scaling changes: instances at once, the rest at the next start. */
export function scaledFields(
  process: Process,
  { instances, memory_in_mb: memory, disk_in_mb: disk, log_rate_limit_in_bytes_per_second: logRate }: ProcessScale,
): Partial<Process> {
  return {
    instances: instances ?? process.instances,
    memoryMb: memory ?? process.memoryMb,
    diskMb: disk ?? process.diskMb,
    logRateLimit: logRate ?? process.logRateLimit,
  }
}

/** The instances that Diego has, and DOWN for each that it should have. */
function filled(process: Process, app: App, instances: InstanceState[]): Pick<InstanceState, 'index' | 'state' | 'since'>[] {
  if (app.state !== 'STARTED') return []
  return Array.from(
    { length: process.instances },
    (_, index) => instances.find((instance) => instance.index === index) ?? { index, state: 'DOWN' as const, since: Date.now() },
  )
}

function stats(process: Process, app: App, instances: InstanceState[]): Record<string, unknown>[] {
  return filled(process, app, instances).map(({ index, state }) => {
    const instance = instances.find((one) => one.index === index)
    if (!instance || state === 'DOWN')
      return { type: process.type, index, state, routable: null, uptime: 0, isolation_segment: null, details: instance?.details ?? null }
    return {
      type: process.type,
      index,
      instance_guid: instance.instanceGuid,
      state,
      routable: instance.routable ?? state === 'RUNNING',
      host: instance.host,
      instance_internal_ip: instance.host,
      uptime: instance.uptime,
      mem_quota: process.memoryMb * 1_048_576,
      disk_quota: process.diskMb * 1_048_576,
      log_rate_limit: process.logRateLimit,
      fds_quota: 16_384,
      isolation_segment: null,
      details: instance.details ?? null,
      instance_ports: instance.ports.map(({ app, external, externalTls }) => ({
        external: external || null,
        internal: app,
        external_tls_proxy_port: externalTls || null,
        internal_tls_proxy_port: null,
      })),
      usage: {
        time: timestamp(Date.now()),
        cpu: instance.usage.cpu,
        cpu_entitlement: instance.usage.cpu,
        mem: instance.usage.memory,
        disk: instance.usage.disk,
        log_rate: 0,
      },
    }
  })
}
