import { createHash, createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { createSecureContext } from 'node:tls'

/** What a secret holds, PEM: a keypair, the CAs of clients' certificates and their revocation list, or CAs alone. */
export interface SecretContent {
  /** The certificate, followed by its chain. */
  certificate?: string
  key?: string
  ca?: string
  crl?: string
}

export interface Inspected {
  /** What is wrong, each a sentence that begins with the field. Never has anything of the key. */
  faults: string[]
  warnings: { path: string; message: string }[]
  /** DNS names that the certificate bears. */
  names: string[]
  /** When the first of its certificates expires, ISO 8601. */
  expires: string
}

const day = 86_400_000
const soon = 30 * day
/** The curves that Envoy takes. */
const curves = ['prime256v1', 'secp384r1', 'secp521r1']

/** Whether routers can use a secret: the certificates can be read, have not expired and fit together, and the key is the certificate's. */
export function inspect({ certificate, key, ca, crl }: SecretContent, now = Date.now()): Inspected {
  const faults: string[] = []
  const warnings: Inspected['warnings'] = []
  if (certificate === undefined && key === undefined && ca === undefined)
    faults.push('certificate: is required, with its key; or give ca alone')
  if (certificate !== undefined && key === undefined) faults.push("key: is required: the certificate's private key, PEM")
  if (certificate === undefined && key !== undefined) faults.push('certificate: is required: the one that the key belongs to, PEM')
  if (crl !== undefined && ca === undefined) faults.push('ca: is required: the CAs whose certificates the list revokes')
  if (crl !== undefined) checkLists(crl, faults)

  const chain = certificate === undefined ? [] : readCertificates('certificate', certificate, faults)
  const authorities = ca === undefined ? [] : readCertificates('ca', ca, faults)
  for (const [field, list] of [
    ['certificate', chain],
    ['ca', authorities],
  ] as const)
    for (const one of list) checkTime(field, one, now, faults, warnings)
  chain.slice(1).forEach((issuer, position) => {
    if (!chain[position]!.checkIssued(issuer))
      faults.push(
        `certificate: number ${position + 2} of the chain (${nameOf(issuer)}) did not issue the one before it; begin with the server's own and go on in order`,
      )
  })
  for (const authority of authorities) if (!authority.ca) warnings.push({ path: 'ca', message: `${nameOf(authority)} is no CA` })
  const [leaf] = chain
  if (leaf?.ca)
    warnings.push({ path: 'certificate', message: `${nameOf(leaf)} is a CA's own certificate, which clients may refuse for a server` })
  if (key !== undefined) checkKey(key, leaf, faults)

  const ends = [...chain, ...authorities].map(({ validToDate }) => validToDate.getTime())
  return { faults, warnings, names: leaf ? namesOf(leaf) : [], expires: ends.length ? new Date(Math.min(...ends)).toISOString() : '' }
}

/** Names a content; the same for the same content. */
export function versionOf({ certificate = '', key = '', ca = '', crl = '' }: SecretContent): string {
  return createHash('sha256')
    .update(JSON.stringify([certificate, key, ca, crl]))
    .digest('hex')
    .slice(0, 32)
}

function readCertificates(field: string, pem: string, faults: string[]): X509Certificate[] {
  const found = blocks(pem, 'CERTIFICATE')
  if (!found.length) faults.push(`${field}: has no certificate in PEM (-----BEGIN CERTIFICATE-----)`)
  return found.flatMap((block, position) => {
    try {
      return [new X509Certificate(block)]
    } catch {
      faults.push(`${field}: certificate ${position + 1} in it cannot be read`)
      return []
    }
  })
}

function checkLists(pem: string, faults: string[]): void {
  const found = blocks(pem, 'X509 CRL')
  if (!found.length) faults.push('crl: has no revocation list in PEM (-----BEGIN X509 CRL-----)')
  for (const [position, block] of found.entries()) {
    try {
      createSecureContext({ crl: block })
    } catch {
      faults.push(`crl: revocation list ${position + 1} in it cannot be read`)
    }
  }
}

function checkTime(field: string, certificate: X509Certificate, now: number, faults: string[], warnings: Inspected['warnings']): void {
  const { validFromDate: from, validToDate: to } = certificate
  if (to.getTime() <= now) faults.push(`${field}: ${nameOf(certificate)} expired on ${to.toISOString()}; give a valid one`)
  else if (to.getTime() - now < soon)
    warnings.push({
      path: field,
      message: `${nameOf(certificate)} expires in ${Math.ceil((to.getTime() - now) / day)} days, on ${to.toISOString()}`,
    })
  if (from.getTime() > now) warnings.push({ path: field, message: `${nameOf(certificate)} is not valid before ${from.toISOString()}` })
}

function checkKey(pem: string, leaf: X509Certificate | undefined, faults: string[]): void {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem))
    return void faults.push('key: is encrypted by a passphrase; give it without (openssl pkey -in FILE)')
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    // What OpenSSL says could have parts of the key.
    return void faults.push('key: is no private key in PEM (-----BEGIN PRIVATE KEY-----)')
  }
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa' && modulusLength < 2048)
    faults.push(`key: an RSA key of ${modulusLength} bits is too short; make one of 2048 or more`)
  else if (key.asymmetricKeyType === 'ec' && !curves.includes(namedCurve))
    faults.push(`key: routers do not take the curve ${namedCurve}; make a key on P-256, P-384 or P-521`)
  else if (key.asymmetricKeyType !== 'rsa' && key.asymmetricKeyType !== 'ec')
    faults.push(`key: routers do not take keys of type ${key.asymmetricKeyType}; make an RSA or ECDSA key`)
  if (leaf && !leaf.checkPrivateKey(key)) faults.push(`key: is not the key of the certificate ${nameOf(leaf)}`)
}

const blocks = (pem: string, label: string): string[] =>
  pem.match(new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`, 'g')) ?? []

const nameOf = ({ subject }: X509Certificate): string =>
  /(?:^|\n)CN=([^\n]*)/.exec(subject ?? '')?.[1] ?? subject?.replaceAll('\n', ', ') ?? 'without a name'

function namesOf(leaf: X509Certificate): string[] {
  const names = [...(leaf.subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(([, name]) => name!.toLowerCase())
  return names.length ? names : [nameOf(leaf).toLowerCase()]
}
