import { Ajv, type ErrorObject } from 'ajv'
import {
  fastify,
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyServerOptions,
  type FastifyTypeProvider,
  type RawServerDefault,
} from 'fastify'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerOptions } from 'node:https'
import type { Static, TSchema } from 'typebox'
import { describeFault } from '../../common/config.ts'
import type { Logger } from '../../common/log.ts'
import { Problem } from '../../common/problem.ts'
import { version } from '../../common/version.ts'
import { complete } from './openapi.ts'
import { BodyTooLarge, BodyType, BodyUnreadable, Faults, PathUnknown, Unforeseen } from '../problems.ts'

/** Gives handlers the types of their TypeBox schemas. */
export interface TypeBoxProvider extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown
}

export type Api = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxProvider>

export interface ApiOptions {
  log: Logger
  title: string
  /** HTTPS where given. */
  https?: ServerOptions
  /** Largest JSON body, bytes. */
  bodyLimit: number
  /** Whether a token of UAA is asked for, where the schema of a route says nothing else of `security`. */
  tokens?: boolean
}

const bodies = new Ajv({ allErrors: true, strict: false, useDefaults: true })
const strings = new Ajv({ allErrors: true, strict: false, useDefaults: true, coerceTypes: true })

/** A fastify server as all of copilot's are: problems as bodies, every fault of a request at once, OpenAPI at `/docs`. */
export async function createApi({ log, title, https, bodyLimit, tokens = false }: ApiOptions): Promise<Api> {
  const options = {
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit,
    requestTimeout: 600_000,
    forceCloseConnections: 'idle',
    ...(https ? { https } : {}),
  }
  const server = fastify(options as unknown as FastifyServerOptions).withTypeProvider<TypeBoxProvider>() as unknown as Api
  // JSON alone: a page of a foreign site can make a browser send a text, but not JSON.
  server.removeContentTypeParser('text/plain')
  server.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? bodies : strings).compile(schema))
  server.setSchemaErrorFormatter(
    (errors, part) => new Faults((errors as unknown as ErrorObject[]).map(describeFault), part === 'body' ? '' : `${part}: `),
  )
  server.setErrorHandler((error: Error, request, reply) => {
    const problem = asProblem(error, bodyLimit)
    if (problem.status >= 500) request.log.error({ err: error, method: request.method, url: request.url }, 'request failed')
    if (problem.status === 401) void reply.header('www-authenticate', 'Bearer realm="copilot"')
    // What is still to come of a refused body is not waited for.
    if (!request.raw.complete) void reply.header('connection', 'close')
    return reply.code(problem.status).send(problem.toJSON())
  })
  server.setNotFoundHandler((request) => {
    throw PathUnknown(request.method, request.url.split('?')[0]!)
  })
  await server.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title, version } },
    transformObject: (given) =>
      'openapiObject' in given
        ? (complete(given.openapiObject as Parameters<typeof complete>[0], { tokens }) as typeof given.openapiObject)
        : given.swaggerObject,
  })
  await server.register(swaggerUi, { routePrefix: '/docs' })
  return server
}

/** What fastify and handlers throw, as a problem that a caller can be told; what nobody foresaw says nothing of its inside. */
function asProblem(error: Error & Partial<FastifyError>, bodyLimit: number): Problem {
  if (error instanceof Problem) return error
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return BodyTooLarge(bodyLimit)
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return BodyType()
  if (error.statusCode !== undefined && error.statusCode < 500) return BodyUnreadable(error.message)
  return Unforeseen()
}
