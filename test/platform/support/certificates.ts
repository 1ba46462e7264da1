import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority, issueCertificate } from '../../../src/common/pki.ts'
import type { TlsConfig } from '../../../src/common/config.ts'

const folder = mkdtempSync(join(tmpdir(), 'mesh-test-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const authority = createAuthority('test CA')
const ca = join(folder, 'ca.pem')
writeFileSync(ca, authority.certificate)

/** PEM files of a certificate for this DNS name, from an authority that all tests of this process share. */
export function tlsFiles(name: string): TlsConfig {
  const { certificate, key } = issueCertificate(authority, { commonName: name, dns: [name], ips: ['127.0.0.1'] })
  const files = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`), ca }
  writeFileSync(files.certificate, certificate)
  writeFileSync(files.key, key)
  return files
}
