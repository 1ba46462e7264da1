import { X509Certificate, createPrivateKey } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { create } from '@bufbuild/protobuf'
import { isPem, readPem } from '../../common/certificates.ts'
import { SecretSchema, type Secret } from '../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import type { DataSource } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import { messageOf, problem } from '../../common/problem.ts'
import { stampOf } from '../../common/tls.ts'
import { encodeResource, type Resource } from '../../common/xds/resources.ts'
import type { RouterConfig } from '../config.ts'

export const SecretUnusable = problem('MESH_SECRET_UNUSABLE', 500, (field: string, why: string) => `${field}: ${why}`)

/** A secret that is made of files. */
export interface SecretFiles {
  /** The configuration's field, for messages. */
  field: string
  /** The SDS name. */
  name: string
  files: { certificate: string; key: string } | { ca: string; crl?: string }
}

/** Where systems keep the CAs that they trust; where none is there, those that came with Node. */
const systemFiles = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem']
const systemAuthorities = (): string => systemFiles.find((file) => existsSync(file)) ?? rootCertificates.join('\n')

/**
 * The secrets of a router: its keypairs as `tls/NAME`, `backend/client` and `backend/ca` for instances, `rate-limit/client` and
 * `rate-limit/ca` for the operator's rate limit service, and `system/ca` for external services.
 */
export function routerSecrets({
  keypairs,
  backend,
  pilot,
  rateLimitService,
}: Pick<RouterConfig, 'keypairs' | 'backend' | 'pilot' | 'rateLimitService'>): SecretFiles[] {
  const { certificate, key, ca } = rateLimitService ?? pilot.tls
  return [
    ...keypairs.map(({ name, certificate, key }, index) => ({
      field: `keypairs[${index}]`,
      name: `tls/${name}`,
      files: { certificate, key },
    })),
    { field: 'backend', name: 'backend/client', files: { certificate: backend.certificate, key: backend.key } },
    { field: 'backend.ca', name: 'backend/ca', files: { ca: backend.ca } },
    { field: 'rateLimitService', name: 'rate-limit/client', files: { certificate, key } },
    { field: 'rateLimitService.ca', name: 'rate-limit/ca', files: { ca } },
    { field: 'system', name: 'system/ca', files: { ca: systemAuthorities() } },
  ]
}

/** Reads a secret. Throws `SecretUnusable` if a file is missing or broken, or the key isn't the certificate's. */
export function readSecret({ field, name, files }: SecretFiles): Resource {
  try {
    return encodeResource(
      SecretSchema,
      name,
      'ca' in files ? authorities(name, files.ca, files.crl) : keypair(name, files.certificate, files.key),
    )
  } catch (error) {
    throw SecretUnusable(field, messageOf(error))
  }
}

/** Calls `changed` with a secret each time its files have changed and are whole. Returns a function that ends it. */
export function watchSecrets(secrets: SecretFiles[], changed: (secret: Resource) => void, interval = 1000): () => void {
  const stamp = ({ files }: SecretFiles): string => stampOf(Object.values(files).filter((file) => !isPem(file)))
  const stamps = new Map(secrets.map((secret) => [secret, stamp(secret)]))
  const timer = setInterval(() => {
    for (const secret of secrets) {
      const now = stamp(secret)
      if (stamps.get(secret) === now) continue
      try {
        const resource = readSecret(secret)
        stamps.set(secret, now)
        changed(resource)
      } catch {
        // Half written: looked at again next time.
      }
    }
  }, interval)
  timer.unref()
  return () => clearInterval(timer)
}

function keypair(name: string, certificate: string, key: string): Secret {
  const chain = readPem(certificate)
  const privateKey = readPem(key)
  if (!new X509Certificate(chain).checkPrivateKey(createPrivateKey(privateKey)))
    throw new Error('the key is not the key of the certificate')
  return create(SecretSchema, {
    name,
    type: { case: 'tlsCertificate', value: { certificateChain: bytes(chain), privateKey: bytes(privateKey) } },
  })
}

function authorities(name: string, file: string, crl: string | undefined): Secret {
  const ca = readPem(file)
  void new X509Certificate(ca)
  return create(SecretSchema, {
    name,
    type: { case: 'validationContext', value: { trustedCa: bytes(ca), ...(crl === undefined ? {} : { crl: bytes(readPem(crl)) }) } },
  })
}

function bytes(value: Buffer): Pick<DataSource, 'specifier'> {
  return { specifier: { case: 'inlineBytes', value } }
}
