import formbody from '@fastify/formbody'
import { fastify, type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Logger } from '../../common/log.ts'
import { acceptJson, type Directory } from '../http.ts'
import type { Store } from '../store/store.ts'
import { OauthError, oauthError } from './errors.ts'
import type { Claims, SigningKey } from './keys.ts'
import { TokenIssuer, type TokenOptions } from './tokens.ts'
import { scimUsers } from './users.ts'

export interface UaaOptions extends TokenOptions {
  store: Store
  key: SigningKey
  directory: Directory
  log: Logger
}

const bearer = /^bearer\s+(\S+)$/i

/** UAA's HTTP API, as far as cf, its libraries and the mesh use it. */
export async function createUaa({ store, key, directory, log, ...options }: UaaOptions): Promise<FastifyInstance> {
  const api = fastify({ logger: false, bodyLimit: 1_048_576 })
  const issuer = new TokenIssuer(store, key, options)
  await api.register(formbody)
  acceptJson(api, ['application/json'], () => oauthError(400, 'invalid_request', 'The request body is not JSON'))

  api.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    if (error instanceof OauthError) return reply.code(error.status).send(error.toJSON())
    if (error.statusCode && error.statusCode < 500)
      return reply.code(error.statusCode).send(oauthError(error.statusCode, 'invalid_request', error.message).toJSON())
    log.error({ err: error, method: request.method, url: request.routeOptions.url }, 'uaa failed')
    return reply.code(500).send(oauthError(500, 'server_error', 'Internal Server Error').toJSON())
  })
  api.setNotFoundHandler((_request, reply) => reply.code(404).send(oauthError(404, 'not_found', 'Not Found').toJSON()))

  const authorize = async (request: FastifyRequest, ...scopes: string[]): Promise<Claims> => {
    const token = bearer.exec(request.headers.authorization ?? '')?.[1]
    if (!token) throw oauthError(401, 'unauthorized', 'Full authentication is required to access this resource')
    const claims = await key.verify(token)
    if (!claims || claims.jti?.endsWith('-r'))
      throw oauthError(401, 'invalid_token', 'The token expired, was revoked, or the token ID is incorrect.')
    if (scopes.length && !scopes.some((scope) => claims.scope.includes(scope)))
      throw oauthError(403, 'insufficient_scope', 'Insufficient scope for this resource')
    return claims
  }

  const information = (request: FastifyRequest) => {
    const { uaa } = directory.origins(request)
    return {
      app: { version: '77.20.0' },
      links: { uaa, passwd: `${uaa}/forgot_password`, login: uaa, register: `${uaa}/create_account` },
      zone_name: 'uaa',
      entityID: 'foundation',
      commit_id: 'foundation',
      idpDefinitions: {},
      prompts: { username: ['text', 'Email'], password: ['password', 'Password'] },
      timestamp: new Date().toISOString(),
    }
  }
  api.get('/', information)
  api.get('/login', information)
  api.get('/info', information)
  api.get('/healthz', (_request, reply) => reply.type('text/plain').send('ok\n'))
  api.get('/token_key', () => key)
  api.get('/token_keys', () => ({ keys: [key] }))

  api.get('/.well-known/openid-configuration', (request) => {
    const { uaa } = directory.origins(request)
    return {
      issuer: `${uaa}/oauth/token`,
      token_endpoint: `${uaa}/oauth/token`,
      authorization_endpoint: `${uaa}/oauth/authorize`,
      userinfo_endpoint: `${uaa}/userinfo`,
      jwks_uri: `${uaa}/token_keys`,
      id_token_signing_alg_values_supported: ['RS256'],
      response_types_supported: ['token'],
      subject_types_supported: ['public'],
    }
  })

  const grant = async (request: FastifyRequest, form: Record<string, string>) =>
    issuer.grant(issuer.client(request.headers.authorization, form), form, directory.origins(request).uaa)
  api.post<{ Body: Record<string, string> }>('/oauth/token', (request, reply) => {
    reply.header('cache-control', 'no-store')
    return grant(request, request.body ?? {})
  })

  api.post<{ Body: Record<string, string> }>('/check_token', async (request) => {
    issuer.client(request.headers.authorization, {})
    const claims = await key.verify(request.body?.['token'] ?? '')
    if (!claims) throw oauthError(400, 'invalid_token', 'The token expired, was revoked, or the token ID is incorrect.')
    return claims
  })

  api.get('/userinfo', async (request) => {
    const { user_id: id } = await authorize(request, 'openid')
    const account = store.accounts.get(id)
    if (!account) throw oauthError(404, 'not_found', 'User not found')
    const { guid, userName, email, givenName, familyName, origin } = account
    return {
      user_id: guid,
      sub: guid,
      user_name: userName,
      email,
      email_verified: true,
      given_name: givenName,
      family_name: familyName,
      name: `${givenName} ${familyName}`.trim(),
      origin,
    }
  })

  scimUsers(api, store, authorize)
  return api
}
