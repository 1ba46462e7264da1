import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Package } from '../store/rows.ts'
import type { SpaceAction } from './access.ts'
import { appFor } from './apps.ts'
import { audit } from './audit.ts'
import { Body, parseBody, ToOne } from './body.ts'
import { answerList, finishedJob, head, linkOf, toOne, type Link, type Platform } from './context.ts'
import { appTarget } from './deletion.ts'
import { packageInvalid, notFound, unprocessable } from './errors.ts'
import { featureEnabled } from './feature-flags.ts'
import type { ListShape } from './list.ts'
import { mergeMetadata, MetadataField } from './metadata.ts'
import { accepted, type WithGuid } from './replies.ts'

const PackageCreate = Body({
  type: Type.Enum(['bits', 'docker'], { detail: "must be one of 'bits, docker'" }),
  relationships: Body({ app: ToOne }),
  data: Type.Optional(Type.Unknown()),
  metadata: MetadataField,
})
const PackageUpdate = Body({ metadata: MetadataField })
const ResourceMatches = Body({ resources: Type.Array(Type.Unknown(), { minItems: 1, detail: 'must have at least one resource' }) })

const packageList: ListShape<Package, 'app'> = {
  filters: { app_guids: 'app', types: () => 'bits', states: ({ state }) => state },
  labels: true,
}

/** Where a package's zip lies. */
export function packageFile(blobs: string, guid: string): string {
  return join(blobs, 'packages', `${guid}.zip`)
}

function presentPackage(found: Package, link: Link): Record<string, unknown> {
  const path = `/v3/packages/${found.guid}`
  return {
    ...head(found),
    type: 'bits',
    data: { error: found.error, checksum: { type: 'sha256', value: found.checksum } },
    state: found.state,
    relationships: { app: toOne(found.app) },
    metadata: { labels: found.labels, annotations: found.annotations },
    links: {
      self: link(path),
      upload: link(`${path}/upload`, 'POST'),
      download: link(`${path}/download`),
      app: link(`/v3/apps/${found.app}`),
    },
  }
}

export function packageRoutes(api: FastifyInstance, { store, blobs }: Platform): void {
  const find = (request: FastifyRequest<WithGuid>, action: SpaceAction = 'read'): Package => {
    const found = store.packages.get(request.params.guid)
    const space = store.apps.get(found?.app)?.space
    if (!found || !space || !request.caller.access.may('read', space)) throw notFound('Package')
    if (action !== 'read') request.caller.access.require(action, space)
    return found
  }

  const listOptions = (request: FastifyRequest) => {
    const readable = request.caller.access.spaces('read')
    const spaceOf = ({ app }: Package) => store.apps.get(app)?.space
    const shape = {
      ...packageList,
      filters: {
        ...packageList.filters,
        space_guids: spaceOf,
        organization_guids: (found: Package) => store.spaces.get(spaceOf(found))?.organization,
      },
    }
    return {
      table: store.packages,
      shape,
      visible: readable && ((found: Package) => readable.has(spaceOf(found)!)),
      present: presentPackage,
    }
  }
  api.get('/v3/packages', (request) => answerList(request, listOptions(request)))
  api.get<WithGuid>('/v3/apps/:guid/packages', (request) => {
    const app = appFor(store, request)
    return answerList(request, { ...listOptions(request), extra: { app_guids: app.guid } })
  })
  api.get<WithGuid>('/v3/packages/:guid', (request) => presentPackage(find(request), linkOf(request)))

  api.post('/v3/packages', (request, reply) => {
    const { access, actor } = request.caller
    const { type, relationships, metadata } = parseBody(PackageCreate, request.body)
    const merged = mergeMetadata(metadata)
    const app = store.apps.get(relationships.app.data.guid)
    if (!app || !access.may('read', app.space)) throw unprocessable('App is invalid. Ensure it exists and you have access to it.')
    access.require('write', app.space)
    if (type === 'docker') featureEnabled(store, 'diego_docker')
    const created = store.transaction(() => {
      const row = store.packages.insert({ app: app.guid, state: 'AWAITING_UPLOAD', error: null, checksum: null, ...merged })
      audit(
        store,
        'audit.app.package.create',
        actor,
        appTarget(app),
        { space: app.space },
        { package_guid: row.guid, request: request.body },
      )
      return row
    })
    return reply.code(201).send(presentPackage(created, linkOf(request)))
  })

  api.patch<WithGuid>('/v3/packages/:guid', (request) => {
    const found = find(request, 'write')
    const merged = mergeMetadata(parseBody(PackageUpdate, request.body).metadata, found)
    return presentPackage(
      store.transaction(() => store.packages.update(found.guid, merged)),
      linkOf(request),
    )
  })

  api.post<WithGuid>('/v3/packages/:guid/upload', async (request) => {
    const found = find(request, 'write')
    if (!request.caller.access.isAdmin) featureEnabled(store, 'app_bits_upload')
    if (found.state !== 'AWAITING_UPLOAD') throw unprocessable('Package may be uploaded only once. Create a new package to upload bits.')
    const checksum = await receive(request, packageFile(blobs, found.guid))
    const uploaded = store.transaction(() => {
      const app = store.apps.get(found.app)
      if (!app || !store.packages.get(found.guid)) throw notFound('Package')
      audit(store, 'audit.app.package.upload', request.caller.actor, appTarget(app), { space: app.space }, { package_guid: found.guid })
      return store.packages.update(found.guid, { state: 'READY', checksum })
    })
    return presentPackage(uploaded, linkOf(request))
  })

  api.get<WithGuid>('/v3/packages/:guid/download', (request, reply) => {
    const found = find(request, 'readSecrets')
    if (found.state !== 'READY') throw unprocessable('Package has no bits to download.')
    return reply.type('application/zip').send(createReadStream(packageFile(blobs, found.guid)))
  })

  api.delete<WithGuid>('/v3/packages/:guid', (request, reply) => {
    const found = find(request, 'write')
    const job = store.transaction(() => {
      store.packages.remove(found.guid)
      return finishedJob(store, 'package.delete')
    })
    return accepted(request, reply, job)
  })

  // No bits are kept between uploads, so that nothing matches.
  api.post('/v3/resource_matches', (request, reply) => {
    parseBody(ResourceMatches, request.body)
    return reply.code(201).send({ resources: [] })
  })
}

/** Writes the uploaded `bits` to `file`, whole or not at all; answers their SHA-256. Throws where there are none. */
async function receive(request: FastifyRequest, file: string): Promise<string> {
  if (!request.isMultipart()) throw unprocessable('Upload must include either resources or bits')
  await mkdir(join(file, '..'), { recursive: true })
  let checksum: string | undefined
  const partial = `${file}.part`
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') continue
      if (part.fieldname === 'bits' && checksum === undefined) checksum = await write(part.file, partial)
      else part.file.resume()
    }
    if (checksum === undefined) throw unprocessable('Upload must include either resources or bits')
    if (!(await isZip(partial))) throw packageInvalid('Unable to extract package: is it a zip file?')
    await rename(partial, file)
  } finally {
    await rm(partial, { force: true })
  }
  return checksum
}

async function write(source: Readable, file: string): Promise<string> {
  const hash = createHash('sha256')
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
  await pipeline(source, hashing, createWriteStream(file, { mode: 0o600 }))
  return hash.digest('hex')
}

async function isZip(file: string): Promise<boolean> {
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0)
    return bytesRead === 4 && buffer.toString('latin1', 0, 2) === 'PK'
  } finally {
    await handle.close()
  }
}
