import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { fromBinary } from '@bufbuild/protobuf'
import type { DataSource } from '../../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import { SecretSchema } from '../../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { Unsupported } from './support.ts'

/** CAs to check others' certificates by, and what they have revoked, where that is known. PEM. */
export interface Authorities {
  ca: Buffer
  crl?: Buffer
}

/** A certificate with its key, PEM; or CAs. */
export type Secret = { kind: 'keypair'; certificate: Buffer; key: Buffer } | { kind: 'ca'; authorities: Authorities }

/** Compiles an `envoy.extensions.transport_sockets.tls.v3.Secret` with inline contents. Throws `Unsupported`, or what TLS has against them. */
export function compileSecret(bytes: Uint8Array): Secret {
  const { type } = fromBinary(SecretSchema, bytes)
  if (type.case === 'tlsCertificate') {
    const certificate = inline(type.value.certificateChain, 'certificate_chain')
    const key = inline(type.value.privateKey, 'private_key')
    createSecureContext({ cert: certificate, key })
    return { kind: 'keypair', certificate, key }
  }
  if (type.case === 'validationContext') {
    const { trustedCa, crl } = type.value
    const authorities = { ca: inline(trustedCa, 'trusted_ca'), ...(crl && { crl: inline(crl, 'crl') }) }
    // Of CAs a context takes what it can read, be it nothing.
    void new X509Certificate(authorities.ca)
    createSecureContext(authorities)
    return { kind: 'ca', authorities }
  }
  throw new Unsupported(`type ${type.case ?? '(none)'}`)
}

/** The inline bytes of a data source. */
export function inline(source: DataSource | undefined, path: string): Buffer {
  const specifier = source?.specifier
  if (specifier?.case === 'inlineBytes') return Buffer.from(specifier.value)
  if (specifier?.case === 'inlineString') return Buffer.from(specifier.value)
  throw new Unsupported(path, 'must be inline')
}
