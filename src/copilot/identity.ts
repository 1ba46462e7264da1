import type { FastifyRequest } from 'fastify'
import type { TLSSocket } from 'node:tls'
import { peerNames } from '../common/tls.ts'
import { CertificateRefused } from './problems.ts'

/** The components that talk to copilot. */
export const roles = ['route-syncer', 'pilot', 'istio-router'] as const
export type Role = (typeof roles)[number]
/** The DNS names that make the bearer of a certificate a component. */
export type RoleNames = Record<Role, string[]>

/** Throws `MESH_CERTIFICATE_REFUSED` unless the request's client certificate bears one of the role's names. */
export function requireRole(request: FastifyRequest, names: RoleNames, role: Role): void {
  const found = peerNames(request.raw.socket as TLSSocket)
  const wanted = names[role].map((name) => name.toLowerCase())
  if (!found.some((name) => wanted.includes(name))) throw CertificateRefused(found, wanted)
}
