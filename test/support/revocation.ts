import { sign } from 'node:crypto'
import forge from 'node-forge'
import type { KeyPair } from '../../src/common/pki.ts'

const { asn1, pki } = forge
const universal = asn1.Class.UNIVERSAL
const sequence = (...parts: forge.asn1.Asn1[]): forge.asn1.Asn1 => asn1.create(universal, asn1.Type.SEQUENCE, true, parts)
const time = (at: number): forge.asn1.Asn1 => asn1.create(universal, asn1.Type.UTCTIME, false, asn1.dateToUtcTime(new Date(at)))
const integer = (bytes: string): forge.asn1.Asn1 => asn1.create(universal, asn1.Type.INTEGER, false, bytes)
const day = 86_400_000

/** A list of revoked certificates (RFC 5280 §5), as PEM, signed by their authority. */
export function revocationList(authority: KeyPair, revoked: string[]): string {
  const algorithm = sequence(
    asn1.create(universal, asn1.Type.OID, false, asn1.oidToDer(pki.oids['sha256WithRSAEncryption']!).getBytes()),
    asn1.create(universal, asn1.Type.NULL, false, ''),
  )
  const { subject } = pki.certificateFromPem(authority.certificate)
  const entries = revoked.map((pem) =>
    sequence(integer(forge.util.hexToBytes(pki.certificateFromPem(pem).serialNumber)), time(Date.now() - day)),
  )
  const list = sequence(
    integer('\u0001'),
    algorithm,
    pki.distinguishedNameToAsn1(subject),
    time(Date.now() - day),
    time(Date.now() + day),
    ...(entries.length ? [sequence(...entries)] : []),
  )
  const signature = sign('sha256', Buffer.from(asn1.toDer(list).getBytes(), 'latin1'), authority.key).toString('latin1')
  const signed = sequence(list, algorithm, asn1.create(universal, asn1.Type.BITSTRING, false, `\0${signature}`))
  return forge.pem.encode({ type: 'X509 CRL', body: asn1.toDer(signed).getBytes() })
}
