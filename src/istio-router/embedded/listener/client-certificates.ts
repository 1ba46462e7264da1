import { hash, type X509Certificate } from 'node:crypto'
import type { ClientCertificates } from '../resources/listener.ts'

/**
 * Whether a certificate from the right CAs is also what it must be besides: one of the names, and one of the hashes, where there are any.
 */
export function isAccepted(certificate: X509Certificate, { names, hashes, keyHashes }: ClientCertificates): boolean {
  if (names.length && !namesOf(certificate).some((name) => names.includes(name))) return false
  if (!hashes.length && !keyHashes.length) return true
  return (
    hashes.includes(hash('sha256', certificate.raw, 'hex')) ||
    keyHashes.includes(hash('sha256', certificate.publicKey.export({ type: 'spki', format: 'der' }), 'base64'))
  )
}

/** DNS names, URIs, addresses and mailboxes. */
const namesOf = ({ subjectAltName = '' }: X509Certificate): string[] =>
  subjectAltName.split(', ').map((entry) => entry.slice(entry.indexOf(':') + 1))
