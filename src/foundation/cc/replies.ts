import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Job } from '../store/rows.ts'
import { linkOf } from './context.ts'

/** The type of a route with `:guid`. */
export interface WithGuid {
  Params: { guid: string }
}

/** 202 with the job's address in Location. */
export function accepted(request: FastifyRequest, reply: FastifyReply, job: Job): FastifyReply {
  return reply
    .code(202)
    .header('location', linkOf(request)(`/v3/jobs/${job.guid}`).href)
    .send()
}
