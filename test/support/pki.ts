import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TlsConfig } from '../../src/common/config.ts'
import { createAuthority, issueCertificate, type CertificateOptions } from '../../src/common/pki.ts'

/** A CA in a test's own folder that writes what it issues to files. */
export class TestAuthority {
  readonly folder: string
  readonly pair = createAuthority('test CA')
  readonly ca: string

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    this.folder = folder
    this.ca = join(folder, 'ca.crt')
    writeFileSync(this.ca, this.pair.certificate)
  }

  /** Issues a certificate and answers its files with this CA's. */
  issue(name: string, options: Partial<CertificateOptions> = {}): TlsConfig {
    const { certificate, key } = issueCertificate(this.pair, {
      commonName: name,
      dns: [`${name}.service.cf.internal`],
      ips: ['127.0.0.1'],
      ...options,
    })
    const files = { certificate: join(this.folder, `${name}.crt`), key: join(this.folder, `${name}.key`), ca: this.ca }
    writeFileSync(files.certificate, certificate)
    writeFileSync(files.key, key)
    return files
  }
}
