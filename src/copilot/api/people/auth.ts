import { readFileSync } from 'node:fs'
import type { FastifyRequest } from 'fastify'
import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTPayload } from 'jose'
import { Agent, fetch } from 'undici'
import { messageOf } from '../../../common/problem.ts'
import { isLoopback, type CopilotConfig, type UaaConfig } from '../../config.ts'
import { Caller, everybody } from '../../people/caller.ts'
import { suspendedOrganization } from '../../people/namespaces.ts'
import { Roles } from '../../people/roles.ts'
import { HostRefused, ScopeMissing, TokenInvalid, TokenMissing, UaaUnreachable } from '../../problems.ts'
import type { Store } from '../../store/store.ts'

/** Scopes whose holders do everything, and those whose holders read everything. */
export const operators = ['cloud_controller.admin', 'mesh.admin']
const readers = [...operators, 'cloud_controller.admin_read_only', 'cloud_controller.global_auditor']
/** What a token must hold, as at Cloud Controller, for its holder's roles to count. */
const roleScopes = { reading: 'cloud_controller.read', writing: 'cloud_controller.write' }
/** What a public key can verify; UAA's symmetric keys are never trusted. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512']

/** Tells who makes a request; throws a problem where that is nobody who may. */
export type Guard = (request: FastifyRequest) => Promise<Caller>

/**
 * Knows people by their UAA tokens: the signature, issuer, audience and time of each are verified, and none is kept. Their roles come from
 * Cloud Controller, where one is given.
 */
export function tokenGuard(uaa: UaaConfig, cloudController: CopilotConfig['api']['cloudController'], store: Store): Guard {
  const verify = tokenVerifier(uaa)
  const roles = cloudController && new Roles(cloudController)

  return async ({ headers, method, routeOptions }) => {
    const [, token] = /^bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
    if (!token) throw TokenMissing()
    const { scope, user_name: name, user_id: user, client_id: client } = await verify(token)
    const holds = (wanted: string[]): boolean => Array.isArray(scope) && wanted.some((one) => scope.includes(one))
    const caller = new Caller({
      name: String(name ?? client),
      operator: holds(operators),
      readsAll: holds(readers),
      roles: async (writing) => {
        if (!roles) throw ScopeMissing(writing ? operators : readers)
        const needed = writing ? roleScopes.writing : roleScopes.reading
        if (!holds([needed])) throw ScopeMissing([needed])
        return roles.of(String(user ?? client), token, writing)
      },
      spacesOf: async (organization) => (await store.list('space', { organization })).map(({ key }) => key),
      suspended: (space) => suspendedOrganization(store, space),
    })
    const reads = method === 'GET' || method === 'HEAD'
    if (!routeOptions.config.decides && !(reads ? caller.readsAll : caller.operator)) throw ScopeMissing(reads ? readers : operators)
    return caller
  }
}

function tokenVerifier({ url, issuer, audience, ca }: UaaConfig): (token: string) => Promise<JWTPayload> {
  const dispatcher = new Agent({ connect: ca ? { ca: readFileSync(ca) } : {} })
  const keys = createRemoteJWKSet(new URL(`${url.replace(/\/+$/, '')}/token_keys`), {
    cooldownDuration: 5000,
    [customFetch]: (keysUrl: string, options: object) => fetch(keysUrl, { ...options, dispatcher }),
  })

  return async (token) => {
    try {
      return (await jwtVerify(token, keys, { issuer, audience, algorithms, requiredClaims: ['exp'], clockTolerance: 5 })).payload
    } catch (error) {
      const ofToken =
        error instanceof errors.JOSEError &&
        !(error instanceof errors.JWKSTimeout) &&
        error.code !== 'ERR_JOSE_GENERIC' &&
        !(error instanceof errors.JWKSInvalid)
      throw ofToken ? TokenInvalid(messageOf(error)) : UaaUnreachable(messageOf(error))
    }
  }
}

/**
 * Without authentication whoever reaches loopback may use the API. A browser also reaches it on behalf of a foreign page
 * that has its own name resolve to 127.0.0.1; such a request names that host.
 */
export const loopbackGuard: Guard = async ({ host }) => {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  if (!isLoopback(name) && !name.endsWith('.localhost')) throw HostRefused(host)
  return everybody
}
