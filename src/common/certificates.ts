import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { messageOf } from './problem.ts'

/** PEM as a configuration has it: the text itself, or the file that it is in. */
export function readPem(pemOrFile: string): Buffer {
  return isPem(pemOrFile) ? Buffer.from(pemOrFile) : readFileSync(pemOrFile)
}

export function isPem(pemOrFile: string): boolean {
  return pemOrFile.trimStart().startsWith('-----BEGIN ')
}

/**
 * What is wrong with the certificates that a configuration names, wherever in it a `certificate`, its `key` or a `ca` stands:
 * unreadable, expired, or a key that is another's. Each fault is a sentence that begins with the field's path.
 */
export function certificateFaults(config: unknown, now = new Date()): string[] {
  return [...visit(config, '', now)]
}

function* visit(value: unknown, path: string, now: Date): Generator<string> {
  if (typeof value !== 'object' || value === null) return
  for (const [name, child] of Object.entries(value))
    yield* visit(child, Array.isArray(value) ? `${path}[${name}]` : path ? `${path}.${name}` : name, now)
  const { certificate, key, ca } = value as Record<string, unknown>
  if (typeof ca === 'string') yield* attempt(`${path}.ca`, () => certificates(readPem(ca)).forEach((authority) => valid(authority, now)))
  if (typeof certificate !== 'string' || typeof key !== 'string') return
  let leaf: X509Certificate | undefined
  yield* attempt(`${path}.certificate`, () => {
    ;[leaf] = certificates(readPem(certificate))
    valid(leaf, now)
  })
  yield* attempt(`${path}.key`, () => {
    const privateKey = createPrivateKey(readPem(key))
    if (leaf && !leaf.checkPrivateKey(privateKey)) throw new Error(`is not the key of ${path}.certificate`)
  })
}

function* attempt(path: string, check: () => void): Generator<string> {
  try {
    check()
  } catch (error) {
    yield `${path}: ${messageOf(error)}`
  }
}

function certificates(pem: Buffer): X509Certificate[] {
  const blocks = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
  if (!blocks) throw new Error('has no certificate in PEM')
  return blocks.map((block) => new X509Certificate(block))
}

function valid(certificate: X509Certificate | undefined, now: Date): void {
  if (certificate && certificate.validToDate < now)
    throw new Error(`expired on ${certificate.validTo} (${certificate.subject?.replaceAll('\n', ', ') ?? 'without a subject'})`)
}
