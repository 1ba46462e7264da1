import { constants, generateKeyPair, generateKeyPairSync, privateEncrypt, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import forge from 'node-forge'

/** A certificate and its private key, both PEM. `certificate` may be followed by its chain. */
export interface KeyPair {
  certificate: string
  key: string
}

export interface CertificateOptions {
  commonName: string
  /** DNS subject alternative names. */
  dns?: string[]
  /** IP subject alternative names. */
  ips?: string[]
  /** Organizational units: real cells put `app:GUID`, `space:GUID` and `organization:GUID` here. */
  organizationalUnits?: string[]
  /** Validity from now, days. */
  days?: number
  usages?: ('server' | 'client')[]
}

/** Makes a self-signed certificate authority with an RSA key. For development and tests; in production the deployment's CAs are used. */
export function createAuthority(commonName: string, days = 3650): KeyPair {
  const { publicKey, key } = rsaKey()
  const certificate = blank(publicKey, commonName, [], days)
  certificate.setIssuer(certificate.subject.attributes)
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ])
  certificate.sign(signer(key), forge.md.sha256.create())
  return { certificate: forge.pki.certificateToPem(certificate), key }
}

/** Issues a certificate from `authority`, with a fresh RSA key unless one made by `createKeys` is given. */
export function issueCertificate(authority: KeyPair, options: CertificateOptions, keys: Keys = rsaKey()): KeyPair {
  const { publicKey, key } = keys
  const issuer = forge.pki.certificateFromPem(authority.certificate)
  const certificate = blank(publicKey, options.commonName, options.organizationalUnits ?? [], options.days ?? 825)
  const usages = options.usages ?? ['server', 'client']
  certificate.setIssuer(issuer.subject.attributes)
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: usages.includes('server'), clientAuth: usages.includes('client') },
    {
      name: 'subjectAltName',
      altNames: [...(options.dns ?? []).map((value) => ({ type: 2, value })), ...(options.ips ?? []).map((ip) => ({ type: 7, ip }))],
    },
    { name: 'authorityKeyIdentifier', keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes() },
  ])
  certificate.sign(signer(authority.key), forge.md.sha256.create())
  return { certificate: forge.pki.certificateToPem(certificate), key }
}

/** An RSA key, both halves PEM. */
export interface Keys {
  publicKey: string
  key: string
}

/** Makes an RSA key without holding up the event loop, which takes a tenth of a second or more. */
export async function createKeys(): Promise<Keys> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', rsa)
  return { publicKey, key: privateKey }
}

function rsaKey(): Keys {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', rsa)
  return { publicKey, key: privateKey }
}

const rsa = {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
} as const

function blank(publicKey: string, commonName: string, organizationalUnits: string[], days: number): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey)
  certificate.serialNumber = serialNumber()
  // A minute of slack, for clocks that differ.
  certificate.validity.notBefore = new Date(Date.now() - 60_000)
  certificate.validity.notAfter = new Date(Date.now() + days * 86_400_000)
  certificate.setSubject([
    ...organizationalUnits.map((value) => ({ name: 'organizationalUnitName', value })),
    { name: 'commonName', value: commonName },
  ])
  return certificate
}

/** The start of a `DigestInfo` of SHA-256 (RFC 8017 §9.2), which the digest follows. */
const sha256Info = Buffer.from('3031300d060960864801650304020105000420', 'hex')

/** A key as forge asks for one, of which it uses this alone; OpenSSL signs in a tenth of the time. */
function signer(key: string): forge.pki.rsa.PrivateKey {
  const sign = (digest: forge.md.MessageDigest): string =>
    privateEncrypt(
      { key, padding: constants.RSA_PKCS1_PADDING },
      Buffer.concat([sha256Info, Buffer.from(digest.digest().getBytes(), 'latin1')]),
    ).toString('latin1')
  return { sign } as unknown as forge.pki.rsa.PrivateKey
}

/** Random bits whose first byte is neither 0 nor above 0x7f: positive and in its shortest form, as DER wants integers (X.690 §8.3). */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes.writeUInt8((bytes.readUInt8() & 0x3f) | 0x40)
  return bytes.toString('hex')
}
