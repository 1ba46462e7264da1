import { checkGatewayName } from './check-gateway.ts'
import { checkDestinations, checkHttpRoute } from './check-http-route.ts'
import type { Limits } from './check-match.ts'
import { codes, listed, type Findings } from './finding.ts'
import { unreachableRules } from './unreachable.ts'
import type { TcpRoute, TlsRoute, VirtualServiceSpec } from './types.ts'
import { addressFault, portFault, subnetFault, wildcardFault } from './values.ts'

/** Whether a VirtualService holds for the internal listener and the built-in gateway. */
const appliesToMesh = ({ gateways }: VirtualServiceSpec): boolean => !gateways?.length || gateways.includes('mesh')

/** Checks a VirtualService as istiod does. */
export function checkVirtualService(spec: VirtualServiceSpec, findings: Findings, limits: Limits): void {
  const { hosts = [], gateways = [], http = [], tls = [], tcp = [] } = spec
  const delegate = !hosts.length
  if (delegate) {
    for (const field of ['gateways', 'tls', 'tcp'] as const) {
      if (spec[field]?.length)
        findings.error(
          `spec.${field}`,
          'a VirtualService without hosts is a delegate, which has only http; write its hosts, or leave this out',
        )
    }
  }
  gateways.forEach((name, position) => checkGatewayName(name, `spec.gateways[${position}]`, findings))
  checkHosts(spec, findings)
  if (!http.length && !tls.length && !tcp.length) findings.error('spec', 'needs http, tls or tcp rules')
  const callersKnown = appliesToMesh(spec)
  http.forEach((route, position) => checkHttpRoute(route, `spec.http[${position}]`, { findings, limits, delegate, callersKnown }))
  tls.forEach((route, position) => checkTlsRoute(route, `spec.tls[${position}]`, spec, findings))
  tcp.forEach((route, position) => checkTcpRoute(route, `spec.tcp[${position}]`, findings))
  for (const field of ['tls', 'tcp'] as const) {
    spec[field]?.forEach(({ match = [] }: TcpRoute | TlsRoute, position) => {
      const named = [...gateways, ...match.flatMap((one) => one.gateways ?? [])]
      if (named.every((name) => name === 'mesh'))
        findings.warn(
          `spec.${field}[${position}]`,
          'has no effect: the internal listener and the built-in gateway serve HTTP alone; name a Gateway in spec.gateways',
          codes.ignored,
        )
    })
  }
  unreachableRules(spec, findings)
}

function checkHosts(spec: VirtualServiceSpec, findings: Findings): void {
  const hosts = spec.hosts ?? []
  const positions = new Map(hosts.map((host, position) => [host, position] as const).reverse())
  hosts.forEach((host, position) => {
    const path = `spec.hosts[${position}]`
    if (host === '*' && appliesToMesh(spec))
      findings.error(path, '* takes every host of the mesh; name hosts, or the gateway for which it is meant')
    else if (addressFault(host)) findings.fault(path, wildcardFault(host))
    const among = positions.get(host)! < position ? host : widerThan(host).find((wider) => positions.has(wider))
    if (among !== undefined) findings.error(path, `${host} is among ${among} already; leave one of them out`)
  })
}

/** The wildcards that stand for a host, and for more. */
function widerThan(host: string): string[] {
  const [, ...rest] = host.split('.')
  const wildcards = rest.map((_label, position) => `*.${rest.slice(position).join('.')}`)
  return [...wildcards, '*'].filter((wildcard) => wildcard !== host)
}

function checkTlsRoute({ match = [], route = [] }: TlsRoute, path: string, spec: VirtualServiceSpec, findings: Findings): void {
  const hosts = new Set(spec.hosts)
  if (!match.length) findings.error(`${path}.match`, 'needs at least one match with sniHosts')
  match.forEach((one, position) => {
    const at = `${path}.match[${position}]`
    if (!one.sniHosts?.length) findings.error(`${at}.sniHosts`, 'needs at least one host')
    one.sniHosts?.forEach((sni, index) => {
      if (!addressFault(sni)) return findings.warn(`${at}.sniHosts[${index}]`, `clients send no address as SNI, so ${sni} never matches`)
      const fault = wildcardFault(sni)
      findings.fault(
        `${at}.sniHosts[${index}]`,
        fault ??
          ([sni, ...widerThan(sni)].some((host) => hosts.has(host)) ? undefined : `${sni} is none of the hosts ${listed([...hosts])}`),
      )
    })
    checkLevel4(one, at, findings)
  })
  if (!route.length) findings.error(`${path}.route`, 'needs a destination')
  checkDestinations(route, `${path}.route`, findings)
}

function checkTcpRoute({ match = [], route = [] }: TcpRoute, path: string, findings: Findings): void {
  match.forEach((one, position) => checkLevel4(one, `${path}.match[${position}]`, findings))
  if (!route.length) findings.error(`${path}.route`, 'needs a destination')
  checkDestinations(route, `${path}.route`, findings)
}

type Level4 = NonNullable<TcpRoute['match']>[number] | TlsRoute['match'][number]

function checkLevel4(match: Level4, path: string, findings: Findings): void {
  match.destinationSubnets?.forEach((subnet, position) => findings.fault(`${path}.destinationSubnets[${position}]`, subnetFault(subnet)))
  if (match.port) findings.fault(`${path}.port`, portFault(match.port))
  match.gateways?.forEach((name, position) => checkGatewayName(name, `${path}.gateways[${position}]`, findings))
}
