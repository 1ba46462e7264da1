import type { FastifyInstance } from 'fastify'
import { stringify } from 'yaml'
import type { Job } from '../../store/rows.ts'
import { appFor } from '../apps.ts'
import { finishedJob, type Platform } from '../context.ts'
import { ApiError, notAuthorized, unprocessable } from '../errors.ts'
import { accepted, type WithGuid } from '../replies.ts'
import { spaceFor } from '../spaces.ts'
import { applyManifest } from './apply.ts'
import { manifestDiff } from './diff.ts'
import { checkApp, readManifest, type ManifestApp, type RawApp } from './parse.ts'
import { appManifest } from './present.ts'

/** Largest manifest, bytes. */
const sizeLimit = 1_048_576

export function manifestRoutes(api: FastifyInstance, { store, systemDomain }: Platform): void {
  api.post<WithGuid>('/v3/spaces/:guid/actions/apply_manifest', { bodyLimit: sizeLimit }, (request, reply) => {
    const space = spaceFor(store, request, 'write')
    const apps = checked(readManifest(request.body))
    const { access, actor } = request.caller
    let job: Job
    try {
      job = store.transaction(() => {
        for (const app of apps) withName(app.name, () => applyManifest({ store, space, actor, isAdmin: access.isAdmin, systemDomain }, app))
        return finishedJob(store, 'space.apply_manifest', { type: 'space', guid: space.guid })
      })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      job = store.transaction(() =>
        store.jobs.insert({
          operation: 'space.apply_manifest',
          state: 'FAILED',
          errors: [error.toJSON()],
          warnings: [],
          resource: { type: 'space', guid: space.guid },
        }),
      )
    }
    return accepted(request, reply, job)
  })

  api.post<WithGuid>('/v3/spaces/:guid/manifest_diff', { bodyLimit: sizeLimit }, (request, reply) => {
    const space = spaceFor(store, request, 'write')
    return reply.code(201).send({ diff: manifestDiff(store, space, readManifest(request.body)) })
  })

  api.get<WithGuid>('/v3/apps/:guid/manifest', (request, reply) => {
    const app = appFor(store, request)
    if (!request.caller.access.may('readSecrets', app.space)) throw notAuthorized()
    return reply.type('application/x-yaml').send(stringify({ applications: [appManifest(store, app)] }))
  })
}

/** Every application, or all that is wrong with any. */
function checked(raw: RawApp[]): ManifestApp[] {
  const results = raw.map(checkApp)
  const faults = results.flatMap(({ app, faults }) => faults.map((fault) => `For application '${app.name}': ${fault}`))
  if (faults.length) throw unprocessable(faults.join(', '))
  return results.map(({ app }) => app)
}

function withName(name: string, apply: () => void): void {
  try {
    apply()
  } catch (error) {
    if (error instanceof ApiError) error.message = `For application '${name}': ${error.message}`
    throw error
  }
}
