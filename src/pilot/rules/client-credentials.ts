import { secretKey } from '../../mesh/records.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { secretFault, type Credential } from './credentials.ts'
import type { Policy } from './policies.ts'

/**
 * What an external service is shown, and by which CAs it is checked, where a DestinationRule names a secret of its namespace; both parts
 * under their names in SDS.
 */
export interface ClientCredentials {
  keypair?: Credential & { part: 'keypair' }
  ca?: Credential & { part: 'ca' }
}

/** Reads `tls.credentialName` of a rule in `namespace`: CAs, and for MUTUAL a keypair. What is missing is told in `faults`. */
export function clientCredentials(view: Source, tls: Policy['tls'], namespace: string, faults: string[]): ClientCredentials {
  const { credentialName, mode, insecureSkipVerify } = tls ?? {}
  if (!credentialName || (mode !== 'SIMPLE' && mode !== 'MUTUAL')) return {}
  const secret = secretKey(namespace, credentialName)
  const wanted = [...(mode === 'MUTUAL' ? ['keypair' as const] : []), ...(insecureSkipVerify ? [] : ['ca' as const])]
  const lacking = new Set(wanted.flatMap((part) => secretFault(view, secret, part) ?? []))
  faults.push(...lacking)
  if (lacking.size) return {}
  return {
    ...(wanted.includes('keypair') ? { keypair: { name: `egress/${secret}`, secret, part: 'keypair' } } : {}),
    ...(wanted.includes('ca') ? { ca: { name: `egress-ca/${secret}`, secret, part: 'ca' } } : {}),
  }
}
