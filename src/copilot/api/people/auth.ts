import { readFileSync } from 'node:fs'
import type { FastifyRequest } from 'fastify'
import { createRemoteJWKSet, customFetch, errors, jwtVerify } from 'jose'
import { Agent, fetch } from 'undici'
import { messageOf } from '../../../common/problem.ts'
import { isLoopback, type UaaConfig } from '../../config.ts'
import { HostRefused, ScopeMissing, TokenInvalid, TokenMissing, UaaUnreachable } from '../../problems.ts'

/** Scopes of Cloud Controller whose holders read everything, and those whose holders also act. */
const readers = ['cloud_controller.admin', 'cloud_controller.admin_read_only', 'cloud_controller.global_auditor']
const actors = ['cloud_controller.admin']
/** What a public key can verify; UAA's symmetric keys are never trusted. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512']

/** Decides whether a request may go on; throws a problem where not. */
export type Guard = (request: FastifyRequest) => Promise<void>

/** Lets in the holders of UAA tokens: those with a reading scope to read, admins to act. */
export function tokenGuard({ url, issuer, audience, ca }: UaaConfig): Guard {
  const dispatcher = new Agent({ connect: ca ? { ca: readFileSync(ca) } : {} })
  const keys = createRemoteJWKSet(new URL(`${url.replace(/\/+$/, '')}/token_keys`), {
    cooldownDuration: 5000,
    [customFetch]: (keysUrl: string, options: object) => fetch(keysUrl, { ...options, dispatcher }),
  })

  return async ({ headers, method }) => {
    const [, token] = /^bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
    if (!token) throw TokenMissing()
    const scopes = await verify(token)
    const needed = method === 'GET' || method === 'HEAD' ? readers : actors
    if (!needed.some((scope) => scopes.includes(scope))) throw ScopeMissing(needed)
  }

  async function verify(token: string): Promise<unknown[]> {
    try {
      const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms, requiredClaims: ['exp'], clockTolerance: 5 })
      return Array.isArray(payload['scope']) ? payload['scope'] : []
    } catch (error) {
      const ofToken = error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout) && error.code !== 'ERR_JOSE_GENERIC' && !(error instanceof errors.JWKSInvalid)
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
}
