import { randomUUID } from 'node:crypto'
import multipart from '@fastify/multipart'
import { fastify, type FastifyInstance, type FastifyRequest } from 'fastify'
import { acceptJson } from '../http.ts'
import type { SigningKey } from '../uaa/keys.ts'
import { Access } from './access.ts'
import type { Platform } from './context.ts'
import { ApiError, badRequest, internalError, invalidAuthToken, messageParseError, notAuthenticated, unknownRequest } from './errors.ts'
import { RateLimiter, type RateLimit } from './rate-limit.ts'
import { rootRoutes } from './root.ts'

export interface CloudControllerOptions extends Platform {
  key: SigningKey
  rateLimit?: RateLimit | undefined
  /** Each resource adds its routes. */
  resources: ((api: FastifyInstance, platform: Platform) => void)[]
}

/** Largest package that can be uploaded, bytes. */
const packageLimit = 1_073_741_824

/** Cloud Controller's HTTP API. */
export async function createCloudController({ key, rateLimit, resources, ...platform }: CloudControllerOptions): Promise<FastifyInstance> {
  const { store, directory, log } = platform
  const api = fastify({
    logger: false,
    genReqId: () => randomUUID(),
    bodyLimit: 1_048_576,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 300 },
  })
  const limiter = rateLimit && new RateLimiter(rateLimit)
  await api.register(multipart, { limits: { fileSize: packageLimit, files: 1, fields: 10 } })

  // As Cloud Controller has it, what is not declared as JSON is read as JSON all the same.
  acceptJson(api, ['application/json', '*'], () => messageParseError('invalid request body'))
  api.addContentTypeParser(['application/x-yaml', 'text/yaml'], { parseAs: 'string' }, (_request, body, done) => done(null, body))

  api.setErrorHandler((error: Error & { statusCode?: number; code?: string }, request, reply) => {
    const known = asApiError(error)
    if (known.status >= 500) log.error({ err: error, method: request.method, path: request.routeOptions.url }, 'request failed')
    return reply.code(known.status).send({ errors: [known] })
  })
  api.setNotFoundHandler((_request, reply) => {
    return reply.code(404).send({ errors: [unknownRequest()] })
  })

  api.addHook('onRequest', async (request, reply) => {
    reply.header('x-vcap-request-id', request.id)
    request.caller = { origins: directory.origins(request) } as FastifyRequest['caller']
  })
  rootRoutes(api, platform)

  await api.register(async (authenticated) => {
    authenticated.addHook('onRequest', async (request, reply) => {
      const claims = await claimsOf(request, key)
      const access = new Access(store, claims)
      if (!store.users.get(access.guid)) {
        store.transaction(() =>
          store.users.insert({
            guid: access.guid,
            username: claims.user_name ?? null,
            origin: claims.origin ?? null,
            labels: {},
            annotations: {},
          }),
        )
      }
      request.caller.access = access
      request.caller.actor = { guid: access.guid, type: 'user', name: claims.user_name ?? claims.client_id }
      limiter?.count(access, reply)
      access.requireScope(request.method)
    })
    for (const resource of resources) resource(authenticated, platform)
  })
  return api
}

async function claimsOf(request: FastifyRequest, key: SigningKey) {
  const { authorization } = request.headers
  if (!authorization) throw notAuthenticated()
  const token = /^bearer\s+(\S+)$/i.exec(authorization)?.[1]
  const claims = token ? await key.verify(token) : undefined
  if (!claims || claims.jti?.endsWith('-r')) throw invalidAuthToken()
  return claims
}

function asApiError(error: Error & { statusCode?: number; code?: string }): ApiError {
  if (error instanceof ApiError) return error
  if (error.statusCode === 413) return new ApiError(413, 10004, 'InvalidRequest', 'The request body is too large')
  if (error.statusCode !== undefined && error.statusCode < 500) return badRequest(error.message)
  return internalError()
}
