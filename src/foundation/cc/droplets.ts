import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Droplet } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { appFor } from './apps.ts'
import { Body, parseBody } from './body.ts'
import { answerList, finishedJob, head, linkOf, toOne, type Link, type Platform } from './context.ts'
import { notFound, unprocessable } from './errors.ts'
import type { ListShape } from './list.ts'
import { mergeMetadata, MetadataField } from './metadata.ts'
import { packageFile } from './packages.ts'
import { accepted, type WithGuid } from './replies.ts'

const DropletUpdate = Body({ metadata: MetadataField })

const dropletList: ListShape<Droplet, 'app' | 'package'> = {
  filters: { app_guids: 'app', package_guids: 'package', states: ({ state }) => state },
  labels: true,
}

/** Where a droplet lies. */
export function dropletFile(blobs: string, guid: string): string {
  return join(blobs, 'droplets', guid)
}

function presentDroplet(droplet: Droplet, secrets: boolean, link: Link): Record<string, unknown> {
  const hidden = '[PRIVATE DATA HIDDEN IN LISTS]'
  const path = `/v3/droplets/${droplet.guid}`
  return {
    ...head(droplet),
    state: droplet.state,
    error: droplet.error,
    lifecycle: { type: 'buildpack', data: {} },
    checksum: null,
    buildpacks: droplet.buildpack
      ? [{ name: droplet.buildpack, detect_output: droplet.buildpack, buildpack_name: droplet.buildpack, version: null }]
      : [],
    stack: droplet.stack,
    image: null,
    execution_metadata: secrets ? droplet.executionMetadata : hidden,
    process_types: secrets ? droplet.processTypes : { redacted_message: hidden },
    relationships: { app: toOne(droplet.app) },
    metadata: { labels: droplet.labels, annotations: droplet.annotations },
    links: {
      self: link(path),
      app: link(`/v3/apps/${droplet.app}`),
      assign_current_droplet: link(`/v3/apps/${droplet.app}/relationships/current_droplet`, 'PATCH'),
      ...(droplet.package && { package: link(`/v3/packages/${droplet.package}`) }),
    },
  }
}

export function dropletRoutes(api: FastifyInstance, { store }: Platform): void {
  const spaceOf = ({ app }: Droplet) => store.apps.get(app)?.space
  const find = (request: FastifyRequest<WithGuid>): Droplet => {
    const droplet = store.droplets.get(request.params.guid)
    const space = droplet && spaceOf(droplet)
    if (!droplet || !space || !request.caller.access.may('read', space)) throw notFound('Droplet')
    return droplet
  }
  const present = (request: FastifyRequest, droplet: Droplet) =>
    presentDroplet(droplet, request.caller.access.may('readSecrets', spaceOf(droplet)!), linkOf(request))

  const listOptions = (request: FastifyRequest) => {
    const readable = request.caller.access.spaces('read')
    const shape = {
      ...dropletList,
      filters: {
        ...dropletList.filters,
        space_guids: spaceOf,
        organization_guids: (droplet: Droplet) => store.spaces.get(spaceOf(droplet))?.organization,
      },
    }
    return {
      table: store.droplets,
      shape,
      visible: readable && ((droplet: Droplet) => readable.has(spaceOf(droplet)!)),
      present: (droplet: Droplet, link: Link) => presentDroplet(droplet, false, link),
    }
  }
  api.get('/v3/droplets', (request) => answerList(request, listOptions(request)))
  api.get<WithGuid>('/v3/packages/:guid/droplets', (request) => {
    const found = store.packages.get(request.params.guid)
    if (!found || !request.caller.access.may('read', store.apps.get(found.app)!.space)) throw notFound('Package')
    return answerList(request, { ...listOptions(request), extra: { package_guids: found.guid } })
  })
  api.get<WithGuid & { Querystring: { current?: string } }>('/v3/apps/:guid/droplets', (request) => {
    const app = appFor(store, request)
    const shape = { ...dropletList, filters: { ...dropletList.filters, current: 'any' as const } }
    const extra = { app_guids: app.guid, ...(request.query.current === 'true' && { guids: app.droplet ?? '' }) }
    return answerList(request, { ...listOptions(request), shape, extra })
  })
  api.get<WithGuid>('/v3/apps/:guid/droplets/current', (request) => {
    const droplet = store.droplets.get(appFor(store, request).droplet)
    if (!droplet) throw notFound('Droplet')
    return present(request, droplet)
  })
  api.get<WithGuid>('/v3/droplets/:guid', (request) => present(request, find(request)))

  api.patch<WithGuid>('/v3/droplets/:guid', (request) => {
    const droplet = find(request)
    request.caller.access.require('write', spaceOf(droplet)!)
    const merged = mergeMetadata(parseBody(DropletUpdate, request.body).metadata, droplet)
    return present(
      request,
      store.transaction(() => store.droplets.update(droplet.guid, merged)),
    )
  })

  api.delete<WithGuid>('/v3/droplets/:guid', (request, reply) => {
    const droplet = find(request)
    request.caller.access.require('write', spaceOf(droplet)!)
    if (store.apps.get(droplet.app)?.droplet === droplet.guid) throw unprocessable('The droplet is currently used.')
    const job = store.transaction(() => {
      store.droplets.remove(droplet.guid)
      return finishedJob(store, 'droplet.delete')
    })
    return accepted(request, reply, job)
  })
}

/** Takes away the files of packages and droplets as their rows go. */
export function sweepBlobs(store: Store, blobs: string, failed: (error: unknown) => void): void {
  store.onCommit((changes) => {
    for (const { kind, before, after } of changes) {
      if (after || !before) continue
      const file = kind === 'package' ? packageFile(blobs, before.guid) : kind === 'droplet' ? dropletFile(blobs, before.guid) : undefined
      if (file) rm(file, { recursive: true, force: true }).catch(failed)
    }
  })
}
