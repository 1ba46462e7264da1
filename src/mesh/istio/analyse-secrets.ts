import type { World } from './analyse.ts'
import { codes, type Findings } from './finding.ts'
import type { DestinationRuleSpec, GatewaySpec, PortTrafficPolicy, Resource } from './types.ts'

/** A secret of the resource's own namespace that it names. */
interface Named {
  path: string
  name: string
  /** What `meshctl secret set` takes for it. */
  files: string
}

/** The secrets that a resource names. */
export function secretsNamed({ kind, spec }: Pick<Resource, 'kind' | 'spec'>): Named[] {
  if (kind === 'Gateway') return shownByGateway(spec as GatewaySpec)
  return kind === 'DestinationRule' ? shownToServices(spec as DestinationRuleSpec) : []
}

/** Warns of secrets that are not there, or have expired. */
export function warnOfSecrets(resource: Resource, world: World, findings: Findings): void {
  for (const { path, name, files } of secretsNamed(resource)) {
    const secret = world.secret(resource.metadata.namespace, name)
    if (!secret)
      findings.warn(path, `there is no secret ${name} here; set it with \`meshctl secret set ${name} ${files}\``, codes.secretUnknown)
    else if (secret.expires && Date.parse(secret.expires) < Date.now())
      findings.warn(path, `the secret ${name} expired on ${secret.expires}; set a new one`, codes.secretUnknown)
  }
}

const keypair = '--cert FILE --key FILE'
const authorities = '--ca FILE'

function shownByGateway({ servers = [] }: GatewaySpec): Named[] {
  return servers.flatMap(({ tls }, position): Named[] => {
    const path = `spec.servers[${position}].tls`
    const { credentialName, caCertCredentialName, credentialNames = [] } = tls ?? {}
    return [
      ...(credentialName ? [{ path: `${path}.credentialName`, name: credentialName, files: keypair }] : []),
      ...(caCertCredentialName ? [{ path: `${path}.caCertCredentialName`, name: caCertCredentialName, files: authorities }] : []),
      ...credentialNames.map((name, index) => ({ path: `${path}.credentialNames[${index}]`, name, files: keypair })),
    ]
  })
}

function shownToServices({ trafficPolicy, subsets = [] }: DestinationRuleSpec): Named[] {
  const policies = [
    { path: 'spec.trafficPolicy', policy: trafficPolicy },
    ...subsets.map(({ trafficPolicy: policy }, position) => ({ path: `spec.subsets[${position}].trafficPolicy`, policy })),
  ]
  return policies.flatMap(({ path, policy }) => [
    ...credentialOf(path, policy),
    ...(policy?.portLevelSettings ?? []).flatMap((settings, position) => credentialOf(`${path}.portLevelSettings[${position}]`, settings)),
  ])
}

function credentialOf(path: string, { tls }: PortTrafficPolicy = {}): Named[] {
  const { credentialName: name, mode } = tls ?? {}
  if (!name || (mode !== 'SIMPLE' && mode !== 'MUTUAL')) return []
  return [{ path: `${path}.tls.credentialName`, name, files: mode === 'MUTUAL' ? `${authorities} ${keypair}` : authorities }]
}
