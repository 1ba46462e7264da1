import type { FastifyInstance } from 'fastify'
import { head, linkOf, type Platform } from './context.ts'
import { notFound } from './errors.ts'
import type { WithGuid } from './replies.ts'

/** How many jobs are kept; the oldest go. */
const capacity = 5000

export function jobRoutes(api: FastifyInstance, { store }: Platform): void {
  store.onCommit((changes) => {
    if (store.jobs.size <= capacity || !changes.some(({ kind }) => kind === 'job')) return
    store.transaction(() => store.jobs.remove(store.jobs.values().next().value!.guid))
  })

  api.get<WithGuid>('/v3/jobs/:guid', (request) => {
    const job = store.jobs.get(request.params.guid)
    if (!job) throw notFound('Job')
    const link = linkOf(request)
    return {
      ...head(job),
      operation: job.operation,
      state: job.state,
      errors: job.errors,
      warnings: job.warnings.map((detail) => ({ detail })),
      links: {
        self: link(`/v3/jobs/${job.guid}`),
        ...(job.resource && { [job.resource.type]: link(`/v3/${job.resource.type}s/${job.resource.guid}`) }),
      },
    }
  })
}
