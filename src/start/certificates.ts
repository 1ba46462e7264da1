import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAuthority, issueCertificate, type CertificateOptions, type KeyPair } from '../common/pki.ts'

export interface CertificateFiles {
  certificate: string
  key: string
}

/** A development CA in a folder, and the certificates that it issues. What is there and good for a month is kept. */
export class Certificates {
  readonly #folder: string
  readonly #authority: KeyPair
  /** The files of the CA itself. */
  readonly ca: CertificateFiles

  constructor(folder: string, commonName: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.#folder = folder
    this.ca = this.#files('ca')
    this.#authority = this.#kept(this.ca, []) ?? this.#write(this.ca, createAuthority(commonName))
  }

  /** The files of the certificate called `name`, issued now if they are missing, about to expire or for other names. */
  issue(name: string, options: CertificateOptions): CertificateFiles {
    const files = this.#files(name)
    if (!this.#kept(files, options.dns ?? [])) this.#write(files, issueCertificate(this.#authority, options))
    return files
  }

  #files(name: string): CertificateFiles {
    return { certificate: join(this.#folder, `${name}.crt`), key: join(this.#folder, `${name}.key`) }
  }

  #kept({ certificate, key }: CertificateFiles, dns: string[]): KeyPair | undefined {
    if (!existsSync(certificate) || !existsSync(key)) return undefined
    const pair = { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') }
    const parsed = new X509Certificate(pair.certificate)
    const names = parsed.subjectAltName ?? ''
    const lasts = Date.parse(parsed.validTo) > Date.now() + 30 * 86_400_000
    return lasts && dns.every((name) => names.includes(`DNS:${name}`)) ? pair : undefined
  }

  #write(files: CertificateFiles, pair: KeyPair): KeyPair {
    writeFileSync(files.key, pair.key, { mode: 0o600 })
    writeFileSync(files.certificate, pair.certificate)
    return pair
  }
}
