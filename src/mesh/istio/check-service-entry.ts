import { BlockList, isIP } from 'node:net'
import { codes, listed, within, type Findings } from './finding.ts'
import { systemNamespace } from './kinds.ts'
import type { Metadata, ServiceEntrySpec, WorkloadEntry } from './types.ts'
import { hostFault, isHttp, isTls, labelFault, labelPairFault, portFault, protocols } from './values.ts'

/** Where a space's rules may not send: private, link-local, loopback, shared, multicast and reserved addresses. */
const denied = new BlockList()
for (const subnet of [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
]) {
  const [address, bits] = subnet.split('/')
  denied.addSubnet(address!, Number(bits), 'ipv4')
}
for (const subnet of ['::/96', '64:ff9b::/96', '64:ff9b:1::/48', '2002::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8']) {
  const [address, bits] = subnet.split('/')
  denied.addSubnet(address!, Number(bits), 'ipv6')
}

/** Whether an address is one that rules of a space may send to. To be asked again for what a name resolves to. */
export function isPublicAddress(address: string, allowed: readonly string[] = []): boolean {
  const version = isIP(address)
  if (!version) return false
  const family = version === 4 ? 'ipv4' : 'ipv6'
  const exceptions = new BlockList()
  for (const subnet of allowed) {
    const [net, bits] = subnet.split('/')
    exceptions.addSubnet(net!, Number(bits ?? (isIP(net!) === 4 ? 32 : 128)), isIP(net!) === 4 ? 'ipv4' : 'ipv6')
  }
  return exceptions.check(address, family) || !denied.check(address, family)
}

export interface EgressRules {
  /** Subnets that the operator allows although they are not public. */
  allowed: readonly string[]
}

/** Checks a ServiceEntry as istiod does, and that it names nothing that a space may not reach. */
export function checkServiceEntry(spec: ServiceEntrySpec, { namespace }: Metadata, findings: Findings, egress: EgressRules): void {
  const { hosts = [], ports = [], endpoints = [], resolution = 'NONE', addresses = [] } = spec
  const operator = namespace === systemNamespace
  if (!hosts.length) findings.error('spec.hosts', 'needs at least one host')
  hosts.forEach((host, position) => checkHost(host, `spec.hosts[${position}]`, findings))
  if (resolution === 'DYNAMIC_DNS')
    findings.error(
      'spec.resolution',
      'DYNAMIC_DNS is not supported: names that only a request tells would reach anything; write DNS with the hosts',
      codes.refused,
    )
  if (resolution === 'NONE' && !operator)
    findings.error(
      'spec.resolution',
      `NONE sends to any address that a caller names, so it is the operator's; write DNS or STATIC`,
      codes.operatorOnly,
    )
  checkPorts(spec, findings)
  if (addresses.some((address) => address.includes('/')) && !['NONE', 'STATIC'].includes(resolution))
    findings.error('spec.addresses', 'subnets are for resolution NONE and STATIC')
  if (resolution === 'NONE' && endpoints.length)
    findings.error('spec.endpoints', 'resolution NONE has no endpoints; write STATIC, or leave them out')
  if (resolution.startsWith('DNS')) {
    if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1)
      findings.error('spec.endpoints', 'DNS_ROUND_ROBIN has at most one endpoint; write DNS')
  }
  if (resolution === 'STATIC' && !endpoints.length) findings.warn('spec.endpoints', 'a STATIC service without endpoints answers 503')
  const names = new Set(ports.map(({ name }) => name))
  endpoints.forEach((endpoint, position) =>
    checkEndpoint(endpoint, `spec.endpoints[${position}]`, { names, resolution, operator, findings, egress }),
  )
  if (resolution !== 'NONE' && hosts.length > 1 && ports.some(({ protocol }) => !isHttp(protocol) && !isTls(protocol))) {
    findings.error('spec.hosts', 'several hosts cannot be told apart on a port that is neither HTTP nor TLS; write one ServiceEntry a host')
  }
}

/** Nobody owns the names outside: a wildcard would take those that another entry names. */
function checkHost(host: string, path: string, findings: Findings): void {
  if (!host.startsWith('*')) findings.fault(path, hostFault(host))
  else
    findings.error(
      path,
      `${host} is refused: nobody owns the names beneath a wildcard; write each host by its name, as many as there are`,
      codes.refused,
    )
}

function checkPorts({ ports = [] }: ServiceEntrySpec, findings: Findings): void {
  const names = new Set<string>()
  const numbers = new Set<number>()
  ports.forEach(({ name, number, protocol, targetPort }, position) => {
    const path = `spec.ports[${position}]`
    findings.fault(`${path}.name`, names.has(name) ? `${name} is the name of an earlier port` : labelFault(name))
    findings.fault(`${path}.number`, numbers.has(number) ? `${number} is an earlier port's` : portFault(number))
    names.add(name)
    numbers.add(number)
    if (targetPort) findings.fault(`${path}.targetPort`, portFault(targetPort))
    if (protocol && !protocols.includes(protocol.toUpperCase() as (typeof protocols)[number]))
      findings.error(`${path}.protocol`, `${JSON.stringify(protocol)} is none of HTTP, HTTPS, HTTP2, GRPC, TLS, TCP`)
  })
}

interface EndpointContext {
  names: Set<string>
  resolution: string
  operator: boolean
  findings: Findings
  egress: EgressRules
}

function checkEndpoint(
  { address = '', ports = {}, labels = {}, locality }: WorkloadEntry,
  path: string,
  { names, resolution, operator, findings, egress }: EndpointContext,
): void {
  const at = `${path}.address`
  if (!address) findings.error(at, 'is required')
  else if (address.startsWith('unix:'))
    findings.error(at, 'Unix sockets of a router are not reachable; write an address', codes.addressDenied)
  else if (isIP(address)) {
    if (address.includes('%')) findings.error(at, `${address} has a zone, which means an interface of one machine; write it without`)
    if (!operator && !isPublicAddress(address, egress.allowed))
      findings.error(
        at,
        `${address} is a private address, which a space's rules may not reach; ask the operator to allow it`,
        codes.addressDenied,
      )
  } else if (resolution === 'STATIC') findings.error(at, `${JSON.stringify(address)} is no IP address; write one, or resolution: DNS`)
  else findings.fault(at, hostFault(address))
  for (const [name, port] of Object.entries(ports)) {
    findings.fault(within(`${path}.ports`, name), names.has(name) ? portFault(port) : `${name} is none of the ports ${listed([...names])}`)
  }
  for (const [name, value] of Object.entries(labels)) findings.fault(within(`${path}.labels`, name), labelPairFault(name, value))
  if (locality !== undefined && locality.split('/').some((part) => !part))
    findings.error(`${path}.locality`, `${JSON.stringify(locality)} is no locality; write REGION/ZONE`)
}
