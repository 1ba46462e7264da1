import { cipherSuites } from '../../mesh/istio/check-gateway.ts'
import type { Server } from '../../mesh/istio/types.ts'
import { secretKey } from '../../mesh/records.ts'
import type { Source } from '../../mesh/rules/source.ts'

/** What routers are to have of a server's certificates, under its name in SDS. Copilot keeps secrets; files lie on the routers. */
export type Credential = { name: string } & (
  { secret: string; part: 'keypair' | 'ca' } | { files: { certificate: string; key: string } } | { files: { ca: string; crl?: string } }
)

/** How a server speaks TLS. */
export interface ServerTls {
  keypairs: Credential[]
  /** By which clients' certificates are checked, where they are asked for one. */
  ca?: Credential
  requireCertificate: boolean
  /**
   * What a client's certificate must be besides, where anything is given: names of which it has one, hashes (SHA-256) of it or of its key.
   */
  names: string[]
  hashes: string[]
  keyHashes: string[]
  minimum?: TlsVersion
  maximum?: TlsVersion
  ciphers: string[]
}

export type TlsVersion = 'TLSV1_0' | 'TLSV1_1' | 'TLSV1_2' | 'TLSV1_3'

/** Why a secret of copilot's does not do for that part; undefined where it does. */
export function secretFault(view: Source, secret: string, part: 'keypair' | 'ca'): string | undefined {
  const record = view.get('secret', secret)
  if (!record) return `there is no secret ${secret}; \`meshctl secret set\` makes it`
  if (!record.holds || record.holds.includes(part)) return undefined
  return `the secret ${secret} has no ${part === 'ca' ? 'CAs (--ca)' : 'certificate (--cert, --key)'}`
}

/** Reads the `tls` of a server that ends TLS. What is missing is told in `faults`. */
export function serverTls(view: Source, { tls = {} }: Server, namespace: string, faults: string[]): ServerTls | undefined {
  const {
    mode = 'SIMPLE',
    credentialName,
    credentialNames = [],
    serverCertificate,
    privateKey,
    tlsCertificates = [],
    caCertificates,
    caCrl,
    caCertCredentialName,
  } = tls
  const secrets = [...(credentialName === undefined ? [] : [credentialName]), ...credentialNames].map((written) =>
    secretKey(namespace, written),
  )
  const files = [...(serverCertificate && privateKey ? [{ serverCertificate, privateKey }] : []), ...tlsCertificates]
  const keypairs: Credential[] = [
    ...secrets.map((secret) => ({ name: `gateway/${secret}`, secret, part: 'keypair' as const })),
    ...files.map(({ serverCertificate: certificate = '', privateKey: key = '' }) => ({
      name: `gateway-files/${certificate}:${key}`,
      files: { certificate, key },
    })),
  ]
  const caSecret = caCertCredentialName === undefined ? secrets[0] : secretKey(namespace, caCertCredentialName)
  const ca: Credential | undefined = caCertificates
    ? { name: `gateway-files-ca/${caCertificates}:${caCrl ?? ''}`, files: { ca: caCertificates, ...(caCrl ? { crl: caCrl } : {}) } }
    : caSecret === undefined
      ? undefined
      : { name: `gateway-ca/${caSecret}`, secret: caSecret, part: 'ca' }
  const mutual = mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL'
  const missing = new Set(
    [...keypairs, ...(mutual && ca ? [ca] : [])].flatMap((one) => ('secret' in one ? (secretFault(view, one.secret, one.part) ?? []) : [])),
  )
  faults.push(...missing)
  if (missing.size || !keypairs.length || (mutual && !ca)) return undefined
  const { minProtocolVersion: minimum, maxProtocolVersion: maximum } = tls
  return {
    keypairs,
    ...(mutual ? { ca } : {}),
    requireCertificate: mode === 'MUTUAL',
    names: tls.subjectAltNames ?? [],
    hashes: tls.verifyCertificateHash ?? [],
    keyHashes: tls.verifyCertificateSpki ?? [],
    ...(isVersion(minimum) ? { minimum } : {}),
    ...(isVersion(maximum) ? { maximum } : {}),
    ciphers: (tls.cipherSuites ?? []).filter((suite) => cipherSuites.includes(suite)),
  }
}

const isVersion = (version: string | undefined): version is TlsVersion => version !== undefined && version !== 'TLS_AUTO'
