import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createAuthority, createKeys, issueCertificate, type KeyPair } from '../../../common/pki.ts'
import type { DesiredProcess } from '../../diego.ts'

/** The authority that instances' certificates come from: kept in `folder`, made at the first start. */
export function identityAuthority(folder: string): KeyPair {
  const files = { certificate: join(folder, 'instance-identity-ca.crt'), key: join(folder, 'instance-identity-ca.key') }
  if (existsSync(files.certificate) && existsSync(files.key)) {
    return { certificate: readFileSync(files.certificate, 'utf8'), key: readFileSync(files.key, 'utf8') }
  }
  const authority = createAuthority('instanceIdentityCA')
  writeSecret(files.key, authority.key)
  writeSecret(files.certificate, authority.certificate)
  return authority
}

/** An instance's certificate, as Diego gives it: its guid as name, its app, space and organization as organizational units. */
export async function instanceIdentity(
  authority: KeyPair,
  { appGuid, spaceGuid, organizationGuid }: Pick<DesiredProcess, 'appGuid' | 'spaceGuid' | 'organizationGuid'>,
  instanceGuid: string,
  address: string,
  validityMs: number,
): Promise<KeyPair> {
  const identity = issueCertificate(
    authority,
    {
      commonName: instanceGuid,
      organizationalUnits: [`organization:${organizationGuid}`, `space:${spaceGuid}`, `app:${appGuid}`],
      dns: [instanceGuid],
      ips: [address],
      days: validityMs / 86_400_000,
    },
    await createKeys(),
  )
  return { certificate: `${identity.certificate}${authority.certificate}`, key: identity.key }
}

/** Writes a file that only we may read, whole or not at all. */
export function writeSecret(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  writeFileSync(`${file}.new`, content, { mode: 0o600 })
  chmodSync(`${file}.new`, 0o600)
  renameSync(`${file}.new`, file)
}
