import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { messageOf } from '../../common/problem.ts'
import type { App, Build } from '../store/rows.ts'
import { stackName } from './apps.ts'
import { audit } from './audit.ts'
import { Body, Nullable, parseBody } from './body.ts'
import { answerList, head, linkOf, toOne, type Link, type Platform } from './context.ts'
import { appTarget } from './deletion.ts'
import { dropletFile } from './droplets.ts'
import { vcapApplication } from './environment.ts'
import { environmentGroup } from './environment-groups.ts'
import { notFound, unprocessable } from './errors.ts'
import type { ListShape } from './list.ts'
import { mergeMetadata, MetadataField } from './metadata.ts'
import { packageFile } from './packages.ts'
import { processOf } from './process-rows.ts'
import type { WithGuid } from './replies.ts'

const BuildCreate = Body({
  package: Body({ guid: Type.String({ minLength: 1 }) }),
  lifecycle: Type.Optional(
    Body({
      type: Type.Enum(['buildpack'], { detail: 'is not included in the list: buildpack' }),
      data: Type.Optional(
        Body({
          buildpacks: Type.Optional(Type.Unsafe<string[] | null>({ type: ['array', 'null'], items: { type: 'string' } })),
          stack: Type.Optional(Nullable.string()),
        }),
      ),
    }),
  ),
  staging_memory_in_mb: Type.Optional(Nullable.integer({ minimum: 1 })),
  staging_disk_in_mb: Type.Optional(Nullable.integer({ minimum: 1 })),
  staging_log_rate_limit_bytes_per_second: Type.Optional(Nullable.integer({ minimum: -1 })),
  metadata: MetadataField,
})
const BuildUpdate = Body({ metadata: MetadataField })

const buildList: ListShape<Build, 'app' | 'package'> = {
  filters: { app_guids: 'app', package_guids: 'package', states: ({ state }) => state },
  labels: true,
}

function presentBuild(build: Build, link: Link): Record<string, unknown> {
  return {
    ...head(build),
    created_by: { guid: build.createdBy.guid, name: build.createdBy.name, email: build.createdBy.name },
    state: build.state,
    staging_memory_in_mb: build.stagingMemoryMb,
    staging_disk_in_mb: build.stagingDiskMb,
    staging_log_rate_limit_bytes_per_second: -1,
    error: build.error,
    lifecycle: { type: 'buildpack', data: build.lifecycle },
    package: { guid: build.package },
    droplet: build.droplet && { guid: build.droplet },
    relationships: { app: toOne(build.app) },
    metadata: { labels: build.labels, annotations: build.annotations },
    links: {
      self: link(`/v3/builds/${build.guid}`),
      app: link(`/v3/apps/${build.app}`),
      ...(build.droplet && { droplet: link(`/v3/droplets/${build.droplet}`) }),
    },
  }
}

export function buildRoutes(api: FastifyInstance, platform: Platform): void {
  const { store } = platform

  // Whoever staged before a restart is gone.
  store.transaction(() => {
    for (const build of store.builds.values()) {
      if (build.state === 'STAGING')
        store.builds.update(build.guid, { state: 'FAILED', error: 'StagingError - Staging error: interrupted by a restart' })
    }
  })

  const readableSpace = (build: Build) => store.apps.get(build.app)?.space

  const options = (readable: Set<string> | undefined) => ({
    table: store.builds,
    shape: buildList,
    visible: readable && ((build: Build) => readable.has(readableSpace(build)!)),
    present: presentBuild,
  })
  api.get('/v3/builds', (request) => answerList(request, options(request.caller.access.spaces('read'))))
  api.get<WithGuid>('/v3/apps/:guid/builds', (request) => {
    const app = store.apps.get(request.params.guid)
    if (!app || !request.caller.access.may('read', app.space)) throw notFound('App')
    return answerList(request, { ...options(request.caller.access.spaces('read')), extra: { app_guids: app.guid } })
  })

  api.get<WithGuid>('/v3/builds/:guid', (request) => {
    const build = store.builds.get(request.params.guid)
    if (!build || !request.caller.access.may('read', readableSpace(build)!)) throw notFound('Build')
    return presentBuild(build, linkOf(request))
  })

  api.patch<WithGuid>('/v3/builds/:guid', (request) => {
    const build = store.builds.get(request.params.guid)
    if (!build || !request.caller.access.may('read', readableSpace(build)!)) throw notFound('Build')
    request.caller.access.require('write', readableSpace(build)!)
    const merged = mergeMetadata(parseBody(BuildUpdate, request.body).metadata, build)
    return presentBuild(
      store.transaction(() => store.builds.update(build.guid, merged)),
      linkOf(request),
    )
  })

  api.post('/v3/builds', (request, reply) => {
    const { access, actor, origins } = request.caller
    const body = parseBody(BuildCreate, request.body)
    const merged = mergeMetadata(body.metadata)
    const source = store.packages.get(body.package.guid)
    const app = store.apps.get(source?.app)
    if (!source || !app || !access.may('read', app.space))
      throw unprocessable('Unable to use package. Ensure that the package exists and you have access to it.')
    access.require('manageApps', app.space)
    if (source.state !== 'READY') throw unprocessable('Cannot stage package whose state is not ready.')
    if (store.builds.by('app', app.guid).some(({ state }) => state === 'STAGING'))
      throw unprocessable('Only one build can be STAGING at a time per application.')
    const data = body.lifecycle?.data
    if (data?.stack && data.stack !== stackName) throw unprocessable('Lifecycle Stack must be an existing stack')
    const lifecycle = { buildpacks: data?.buildpacks ?? app.lifecycle.buildpacks, stack: stackName }
    const build = store.transaction(() => {
      const created = store.builds.insert({
        app: app.guid,
        package: source.guid,
        droplet: null,
        state: 'STAGING',
        error: null,
        lifecycle,
        stagingMemoryMb: body.staging_memory_in_mb ?? 1024,
        stagingDiskMb: body.staging_disk_in_mb ?? 4096,
        createdBy: actor,
        ...merged,
      })
      audit(
        store,
        'audit.app.build.create',
        actor,
        appTarget(app),
        { space: app.space },
        { build_guid: created.guid, package_guid: source.guid },
      )
      return created
    })
    void stage(platform, build, app, origins.cloudController)
    return reply.code(201).send(presentBuild(build, linkOf(request)))
  })
}

/** Has Diego stage a build and records what comes of it. Never rejects. */
async function stage({ store, diego, blobs, log }: Platform, build: Build, app: App, api: string): Promise<void> {
  const droplet = store.transaction(() =>
    store.droplets.insert({
      app: app.guid,
      package: build.package,
      state: 'AWAITING_UPLOAD',
      error: null,
      processTypes: {},
      executionMetadata: '',
      buildpack: null,
      stack: build.lifecycle.stack,
      labels: build.labels,
      annotations: build.annotations,
    }),
  )
  const emit = (message: string, type: 'OUT' | 'ERR' = 'OUT') =>
    diego.emitLog({ appGuid: app.guid, instance: '0', sourceType: 'STG', message, type })
  const command = processOf(store, app.guid, 'web')?.command
  try {
    const result = await diego.stage(
      {
        appGuid: app.guid,
        buildGuid: build.guid,
        packageFile: packageFile(blobs, build.package),
        dropletFile: dropletFile(blobs, droplet.guid),
        buildpacks: build.lifecycle.buildpacks,
        ...(command && { command }),
        environment: {
          ...environmentGroup(store, 'staging'),
          ...app.environment,
          VCAP_APPLICATION: JSON.stringify(vcapApplication(store, api, app)),
          VCAP_SERVICES: '{}',
        },
      },
      (line) => emit(line),
    )
    store.transaction(() => {
      if (!store.builds.get(build.guid) || !store.droplets.get(droplet.guid)) return
      const { processTypes, buildpack, executionMetadata = '' } = result
      store.droplets.update(droplet.guid, { state: 'STAGED', processTypes, buildpack, executionMetadata })
      store.builds.update(build.guid, { state: 'STAGED', droplet: droplet.guid })
      audit(
        store,
        'audit.app.droplet.create',
        build.createdBy,
        appTarget(app),
        { space: app.space },
        { droplet_guid: droplet.guid, package_guid: build.package },
      )
    })
  } catch (error) {
    log.info({ err: error, app: app.guid }, 'staging failed')
    const reason = messageOf(error)
    emit(reason, 'ERR')
    const known = /^\w+(Error|Failed) - /.test(reason)
    store.transaction(() => {
      if (store.droplets.get(droplet.guid)) store.droplets.remove(droplet.guid)
      if (store.builds.get(build.guid))
        store.builds.update(build.guid, { state: 'FAILED', error: known ? reason : `StagingError - Staging error: ${reason}` })
    })
  }
}
