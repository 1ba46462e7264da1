import { readFileSync } from 'node:fs'
import type { FastifyRequest } from 'fastify'
import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTPayload } from 'jose'
import { Agent, fetch } from 'undici'
import { messageOf } from '../../../common/problem.ts'
import { isLoopback, type UaaConfig } from '../../config.ts'
import { Caller, noRoles } from '../../people/caller.ts'
import { HostRefused, ScopeMissing, TokenInvalid, TokenMissing, UaaUnreachable } from '../../problems.ts'

/** Scopes whose holders do everything, and those whose holders read everything. */
const operators = ['cloud_controller.admin', 'mesh.admin']
const readers = [...operators, 'cloud_controller.admin_read_only', 'cloud_controller.global_auditor']
/** What a public key can verify; UAA's symmetric keys are never trusted. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512']

/** Tells who makes a request; throws a problem where that is nobody who may. */
export type Guard = (request: FastifyRequest) => Promise<Caller>

/** Knows people by their UAA tokens: the signature, issuer, audience and time of each are verified, and none is kept. */
export function tokenGuard({ url, issuer, audience, ca }: UaaConfig): Guard {
  const dispatcher = new Agent({ connect: ca ? { ca: readFileSync(ca) } : {} })
  const keys = createRemoteJWKSet(new URL(`${url.replace(/\/+$/, '')}/token_keys`), {
    cooldownDuration: 5000,
    [customFetch]: (keysUrl: string, options: object) => fetch(keysUrl, { ...options, dispatcher }),
  })

  return async ({ headers, method, routeOptions }) => {
    const [, token] = /^bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
    if (!token) throw TokenMissing()
    const { scope, user_name: user, client_id: client } = await verify(token)
    const scopes = Array.isArray(scope) ? scope : []
    const holds = (wanted: string[]): boolean => wanted.some((one) => scopes.includes(one))
    const caller = new Caller({ name: String(user ?? client), operator: holds(operators), readsAll: holds(readers), roles: noRoles, organizationOf: async () => undefined })
    const reads = method === 'GET' || method === 'HEAD'
    if (!routeOptions.config.decides && !(reads ? caller.readsAll : caller.operator)) throw ScopeMissing(reads ? readers : operators)
    return caller
  }

  async function verify(token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms, requiredClaims: ['exp'], clockTolerance: 5 })
      return payload
    } catch (error) {
      const ofToken = error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout) && error.code !== 'ERR_JOSE_GENERIC' && !(error instanceof errors.JWKSInvalid)
      throw ofToken ? TokenInvalid(messageOf(error)) : UaaUnreachable(messageOf(error))
    }
  }
}

const everybody = new Caller({ name: 'operator', operator: true, readsAll: true, roles: noRoles, organizationOf: async () => undefined })

/**
 * Without authentication whoever reaches loopback may use the API. A browser also reaches it on behalf of a foreign page
 * that has its own name resolve to 127.0.0.1; such a request names that host.
 */
export const loopbackGuard: Guard = async ({ host }) => {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  if (!isLoopback(name) && !name.endsWith('.localhost')) throw HostRefused(host)
  return everybody
}
