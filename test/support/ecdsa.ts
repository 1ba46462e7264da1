import { generateKeyPairSync, sign } from 'node:crypto'
import forge from 'node-forge'
import type { KeyPair } from '../../src/common/pki.ts'

const { asn1, pki } = forge
/** Where a certificate's key stands in what is signed (RFC 5280 §4.1). */
const keyAt = 6

/** A certificate of an authority like `like`, but for an ECDSA key (P-256), of which forge knows nothing. */
export function withEcdsaKey(authority: KeyPair, like: string): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const certificate = pki.certificateToAsn1(pki.certificateFromPem(like))
  const [signed, , signature] = certificate.value as [forge.asn1.Asn1, forge.asn1.Asn1, forge.asn1.Asn1]
  ;(signed.value as forge.asn1.Asn1[])[keyAt] = asn1.fromDer(publicKey.toString('latin1'))
  signature.value = `\0${sign('sha256', Buffer.from(asn1.toDer(signed).getBytes(), 'latin1'), authority.key).toString('latin1')}`
  return { certificate: forge.pem.encode({ type: 'CERTIFICATE', body: asn1.toDer(certificate).getBytes() }), key: privateKey }
}
