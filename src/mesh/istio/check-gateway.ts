import { codes, type Findings } from './finding.ts'
import { systemNamespace } from './kinds.ts'
import { nearest } from './nearest.ts'
import type { GatewaySpec, Metadata, Server } from './types.ts'
import { addressFault, hostFault, isHttp, isLabel, isTls, portFault, protocols, wildcardFault } from './values.ts'

/** What Envoy knows of the cipher suites of TLS 1.2 and older; those of 1.3 cannot be chosen. */
export const cipherSuites = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
]
const pathFields = ['serverCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const

/** Checks a Gateway as istiod does, and what is the operator's. */
export function checkGateway(spec: GatewaySpec, { name, namespace }: Metadata, findings: Findings): void {
  if (!isLabel(name))
    findings.error('metadata.name', `${JSON.stringify(name)}: the name of a Gateway has no dots and at most 63 characters`)
  const servers = spec.servers ?? []
  if (!servers.length) findings.error('spec.servers', 'a Gateway needs at least one server')
  const names = new Set<string>()
  servers.forEach((server, position) => {
    const path = `spec.servers[${position}]`
    if (names.has(server.port?.name))
      findings.error(`${path}.port.name`, `${server.port.name} is the name of an earlier server's port; each needs its own`)
    if (server.port?.name) names.add(server.port.name)
    checkServer(server, path, namespace, findings)
  })
}

function checkServer(server: Server, path: string, namespace: string, findings: Findings): void {
  const { hosts = [], port, tls } = server
  if (!hosts.length) findings.error(`${path}.hosts`, 'a server needs at least one host')
  hosts.forEach((host, position) => findings.fault(`${path}.hosts[${position}]`, gatewayHostFault(host)))
  if (!port) return
  findings.fault(`${path}.port.number`, portFault(port.number))
  if (!port.name) findings.error(`${path}.port.name`, 'is empty; give the port a name, as http')
  const protocol = port.protocol.toUpperCase()
  if (!protocols.includes(protocol as (typeof protocols)[number]) || protocol === 'HTTP_PROXY') {
    findings.error(
      `${path}.port.protocol`,
      `${JSON.stringify(port.protocol)} is none of HTTP, HTTPS, HTTP2, GRPC, TLS, TCP${did(port.protocol)}`,
    )
  } else if (['MONGO', 'REDIS', 'MYSQL'].includes(protocol)) {
    findings.error(`${path}.port.protocol`, `${protocol} is not understood by the routers; write TCP`, codes.refused)
  }
  if (protocol === 'TCP' && namespace !== systemNamespace)
    findings.error(
      `${path}.port.protocol`,
      `TCP ports are the operator's: ask for one in ${systemNamespace}, or write HTTP, HTTPS or TLS`,
      codes.operatorOnly,
    )
  checkTls(server, path, namespace, findings)
  if (isTls(protocol) && !tls)
    findings.error(`${path}.tls`, `is required for ${protocol}; write mode SIMPLE with credentialName, or PASSTHROUGH`)
  if (
    !isTls(protocol) &&
    tls &&
    (!isHttp(protocol) || (tls.mode ?? 'PASSTHROUGH') !== 'PASSTHROUGH' || pathFields.some((field) => tls[field]) || tls.credentialName)
  ) {
    findings.error(`${path}.tls`, `${protocol} has no TLS; write protocol HTTPS${isHttp(protocol) ? ', or httpsRedirect alone' : ''}`)
  }
  if (tls?.httpsRedirect && !isHttp(protocol)) findings.warn(`${path}.tls.httpsRedirect`, 'is for servers of protocol HTTP', codes.ignored)
}

const did = (protocol: string): string => {
  const meant = nearest(protocol, ['HTTP', 'HTTPS', 'HTTP2', 'GRPC', 'TLS', 'TCP'])
  return meant ? `; did you mean ${meant}?` : ''
}

function checkTls({ tls, port }: Server, path: string, namespace: string, findings: Findings): void {
  if (!tls) return
  const at = (field: string): string => `${path}.tls.${field}`
  const mode = tls.mode ?? (isTls(port.protocol) ? 'SIMPLE' : 'PASSTHROUGH')
  if (mode === 'ISTIO_MUTUAL' || mode === 'AUTO_PASSTHROUGH')
    return findings.error(at('mode'), `${mode} is for sidecars; write SIMPLE, MUTUAL, OPTIONAL_MUTUAL or PASSTHROUGH`, codes.refused)
  if (namespace !== systemNamespace) {
    const files = [
      ...pathFields.filter((field) => tls[field] && (mode !== 'PASSTHROUGH' || field !== 'caCrl')),
      ...(tls.tlsCertificates?.length ? ['tlsCertificates'] : []),
    ]
    for (const field of files)
      findings.error(
        at(field),
        "files are the operator's: `meshctl secret set NAME --cert FILE --key FILE`, and write credentialName: NAME",
        codes.operatorOnly,
      )
  }
  for (const field of ['minProtocolVersion', 'maxProtocolVersion'] as const) {
    if (/TLSV1_[01]/.test(tls[field] ?? '') && !tls.cipherSuites?.length)
      findings.warn(at(field), 'TLS below 1.2 needs cipherSuites that it knows')
  }
  const seen = new Set<string>()
  tls.cipherSuites?.forEach((suite, position) => {
    if (!cipherSuites.includes(suite))
      findings.warn(
        at(`cipherSuites[${position}]`),
        `${suite} is not known and left out; there are ${cipherSuites.join(', ')}`,
        codes.ignored,
      )
    else if (seen.has(suite)) findings.warn(at(`cipherSuites[${position}]`), `${suite} stands there twice`)
    seen.add(suite)
  })
  const sources = [
    tls.serverCertificate && tls.privateKey && 'serverCertificate',
    tls.credentialName && 'credentialName',
    tls.credentialNames?.length && 'credentialNames',
    tls.tlsCertificates?.length && 'tlsCertificates',
  ].filter(Boolean)
  if (sources.length > 1) findings.error(`${path}.tls`, `only one of ${sources.join(', ')} can be given`)
  if (mode === 'PASSTHROUGH') {
    if (sources.length) findings.warn(`${path}.tls`, 'PASSTHROUGH uses no certificate; it is ignored', codes.ignored)
    return
  }
  const secret = tls.credentialName !== undefined || tls.credentialNames?.length
  const mutual = mode !== 'SIMPLE'
  if (!secret && !tls.tlsCertificates?.length) {
    for (const field of ['serverCertificate', 'privateKey'] as const)
      if (!tls[field]) findings.error(at(field), `${mode} needs a certificate; write credentialName`)
  }
  if (mutual && !secret && !tls.caCertificates && !tls.caCertCredentialName)
    findings.error(
      at('caCertificates'),
      `${mode} needs the CAs of the clients' certificates; write credentialName of a secret that was set with --ca`,
    )
  tls.tlsCertificates?.forEach(({ serverCertificate, privateKey }, position) => {
    if (!serverCertificate) findings.error(at(`tlsCertificates[${position}].serverCertificate`), 'is required')
    if (!privateKey) findings.error(at(`tlsCertificates[${position}].privateKey`), 'is required')
  })
  if ((tls.tlsCertificates?.length ?? 0) > 2 || (tls.credentialNames?.length ?? 0) > 2)
    findings.error(`${path}.tls`, 'a server has at most two certificates, one RSA and one ECDSA')
  if (tls.caCrl && (tls.credentialName || !mutual))
    findings.error(at('caCrl'), mutual ? 'belongs into the secret' : 'SIMPLE checks no client; write MUTUAL')
}

/** `host`, or `namespace/host`; the host may be a wildcard or an address. */
function gatewayHostFault(host: string): string | undefined {
  const [namespace, name] = host.includes('/') ? (host.split(/\/(.*)/s) as [string, string]) : [undefined, host]
  if (namespace !== undefined && !['*', '.'].includes(namespace) && !isLabel(namespace))
    return `${JSON.stringify(namespace)} is no namespace; write ., * or a name`
  if (name === '*' || !addressFault(name)) return undefined
  return wildcardFault(name) ?? (name.includes('.') ? undefined : `${JSON.stringify(name)} is a short name; write the whole host`)
}

/** A gateway as VirtualServices name it: `mesh`, `NAME`, `NAMESPACE/NAME`, or the old `NAME.NAMESPACE…`. */
export function checkGatewayName(name: string, path: string, findings: Findings): void {
  if (!name.includes('/')) {
    if (name.includes('.'))
      findings.warn(path, `${name} is the old form; write ${name.split('.').slice(0, 2).reverse().join('/')}`, codes.deprecated)
    return findings.fault(path, hostFault(name))
  }
  const [namespace, bare] = name.split(/\/(.*)/s) as [string, string]
  if (!isLabel(namespace) || !isLabel(bare)) findings.error(path, `${JSON.stringify(name)} is no name of a Gateway; write NAMESPACE/NAME`)
}
