import { isHeaderName } from './check-headers.ts'
import { codes, within, type Findings } from './finding.ts'
import { hasControls } from './header-values.ts'
import { systemNamespace } from './kinds.ts'
import type { ConsistentHash, DestinationRuleSpec, Metadata, PortTrafficPolicy, TrafficPolicy } from './types.ts'
import { durationFault, labelFault, labelPairFault, percentFault, portFault, wildcardFault } from './values.ts'

/** Checks a DestinationRule as istiod does, and what is the operator's. */
export function checkDestinationRule(spec: DestinationRuleSpec, { namespace }: Metadata, findings: Findings): void {
  findings.fault('spec.host', wildcardFault(spec.host))
  if (spec.trafficPolicy) checkPolicy(spec.trafficPolicy, 'spec.trafficPolicy', namespace, findings)
  const names = new Set<string>()
  spec.subsets?.forEach(({ name, labels = {}, trafficPolicy }, position) => {
    const path = `spec.subsets[${position}]`
    if (names.has(name)) findings.error(`${path}.name`, `there is an earlier subset ${name}; each needs its own name`)
    names.add(name)
    findings.fault(`${path}.name`, labelFault(name))
    for (const [key, value] of Object.entries(labels)) findings.fault(within(`${path}.labels`, key), labelPairFault(key, value))
    if (trafficPolicy) checkPolicy(trafficPolicy, `${path}.trafficPolicy`, namespace, findings)
  })
}

function checkPolicy(policy: TrafficPolicy, path: string, namespace: string, findings: Findings): void {
  if (!Object.keys(policy).length) findings.error(path, 'is empty; write a policy, or leave it out')
  checkParts(policy, path, namespace, findings)
  const ports = new Set<number>()
  policy.portLevelSettings?.forEach((settings, position) => {
    const at = `${path}.portLevelSettings[${position}]`
    const number = settings.port?.number
    if (number === undefined) findings.error(`${at}.port.number`, 'is required')
    else findings.fault(`${at}.port.number`, ports.has(number) ? `${number} has settings already` : portFault(number))
    if (number !== undefined) ports.add(number)
    if (Object.keys(settings).every((name) => name === 'port')) findings.error(at, 'needs a policy besides the port')
    checkParts(settings, at, namespace, findings)
  })
}

function checkParts(policy: TrafficPolicy | PortTrafficPolicy, path: string, namespace: string, findings: Findings): void {
  checkPool(policy, `${path}.connectionPool`, findings)
  checkOutliers(policy, `${path}.outlierDetection`, findings)
  checkLoadBalancer(policy, `${path}.loadBalancer`, findings)
  checkTls(policy, `${path}.tls`, namespace, findings)
}

/** Linux takes up to 32767 s, tcp(7). */
const keepalive = { most: 32_767_000 }

function checkPool({ connectionPool: pool }: PortTrafficPolicy, path: string, findings: Findings): void {
  if (!pool) return
  const { http, tcp } = pool
  if (!http && !tcp) findings.error(path, 'needs http or tcp')
  const whole = (values: object, part: string, names: string[]): void => {
    for (const name of names) {
      const value = (values as Record<string, number | undefined>)[name]
      if (value !== undefined && value < 0) findings.error(`${path}.${part}.${name}`, `${value} is below 0`)
    }
  }
  const duration = (value: string | undefined, at: string, bounds: { zero?: boolean; most?: number } = {}): void => {
    if (value !== undefined) findings.fault(`${path}.${at}`, durationFault(value, bounds))
  }
  if (http) {
    whole(http, 'http', ['http1MaxPendingRequests', 'http2MaxRequests', 'maxRequestsPerConnection', 'maxRetries', 'maxConcurrentStreams'])
    duration(http.idleTimeout, 'http.idleTimeout')
    if (http.maxRetries === 0)
      findings.warn(
        `${path}.http.maxRetries`,
        '0 is read as not set, as Istio does, so retries are not limited; to switch retries off write retries: {attempts: 0} in the VirtualService',
      )
    for (const name of ['http1MaxPendingRequests', 'http2MaxRequests'] as const)
      if (http[name] === 0) findings.warn(`${path}.http.${name}`, '0 is read as not set, as Istio does; write 1 for the least')
    if (http.useClientProtocol && http.h2UpgradePolicy === 'UPGRADE')
      findings.error(`${path}.http.useClientProtocol`, 'contradicts h2UpgradePolicy UPGRADE; leave one of them out')
  }
  if (!tcp) return
  whole(tcp, 'tcp', ['maxConnections'])
  if (tcp.maxConnections === 0) findings.warn(`${path}.tcp.maxConnections`, '0 is read as not set, as Istio does; write 1 for the least')
  duration(tcp.connectTimeout, 'tcp.connectTimeout')
  duration(tcp.maxConnectionDuration, 'tcp.maxConnectionDuration')
  duration(tcp.idleTimeout, 'tcp.idleTimeout', { zero: true })
  duration(tcp.tcpKeepalive?.time, 'tcp.tcpKeepalive.time', keepalive)
  duration(tcp.tcpKeepalive?.interval, 'tcp.tcpKeepalive.interval', keepalive)
}

function checkOutliers({ outlierDetection: outlier }: PortTrafficPolicy, path: string, findings: Findings): void {
  if (!outlier) return
  for (const name of ['baseEjectionTime', 'interval'] as const)
    if (outlier[name] !== undefined) findings.fault(`${path}.${name}`, durationFault(outlier[name]))
  for (const name of ['maxEjectionPercent', 'minHealthPercent'] as const)
    if (outlier[name] !== undefined) findings.fault(`${path}.${name}`, percentFault(outlier[name]))
  if (outlier.consecutiveErrors)
    findings.warn(`${path}.consecutiveErrors`, 'is the old form; write consecutive5xxErrors or consecutiveGatewayErrors', codes.deprecated)
  if (outlier.consecutiveLocalOriginFailures && !outlier.splitExternalLocalOriginErrors)
    findings.error(`${path}.consecutiveLocalOriginFailures`, 'counts only with splitExternalLocalOriginErrors: true')
}

function checkLoadBalancer({ loadBalancer: balancer, outlierDetection }: PortTrafficPolicy, path: string, findings: Findings): void {
  if (!balancer) return
  const { simple, consistentHash: hash, localityLbSetting: locality, warmup, warmupDurationSecs } = balancer
  if (simple === 'PASSTHROUGH')
    findings.error(
      `${path}.simple`,
      'PASSTHROUGH sends to the address that the caller meant, which routers do not know; write ROUND_ROBIN, LEAST_REQUEST or RANDOM',
      codes.refused,
    )
  if (simple === 'LEAST_CONN') findings.warn(`${path}.simple`, 'LEAST_CONN is the old name of LEAST_REQUEST', codes.deprecated)
  if (hash) {
    if (!hash.httpHeaderName && !hash.httpCookie && !hash.useSourceIp && !hash.httpQueryParameterName)
      findings.error(`${path}.consistentHash`, 'needs httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName')
    if (hash.httpHeaderName && !isHeaderName(hash.httpHeaderName))
      findings.error(`${path}.consistentHash.httpHeaderName`, `${JSON.stringify(hash.httpHeaderName)} is no name of a header`)
    checkCookie(hash.httpCookie, `${path}.consistentHash.httpCookie`, findings)
    if (hash.minimumRingSize !== undefined) {
      findings.warn(`${path}.consistentHash.minimumRingSize`, 'is the old form; write ringHash: {minimumRingSize: …}', codes.deprecated)
      if (hash.ringHash || hash.maglev)
        findings.error(`${path}.consistentHash.minimumRingSize`, 'only one of minimumRingSize, ringHash and maglev can be given')
    }
    const ring = hash.ringHash?.minimumRingSize ?? hash.minimumRingSize
    if (ring !== undefined && (ring < 0 || ring > 8_388_608))
      findings.error(
        `${path}.consistentHash.${hash.ringHash ? 'ringHash.' : ''}minimumRingSize`,
        `${ring} is no size of a ring; write 1 to 8388608`,
      )
    const table = hash.maglev && (hash.maglev.tableSize ?? 65_537)
    if (table !== undefined && (table >= 5_000_011 || !isPrime(table)))
      findings.error(`${path}.consistentHash.maglev.tableSize`, `${table} is no prime below 5000011; write 65537`)
  }
  if (warmup) {
    findings.fault(`${path}.warmup.duration`, durationFault(warmup.duration ?? ''))
    if (warmup.minimumPercent !== undefined) findings.fault(`${path}.warmup.minimumPercent`, percentFault(warmup.minimumPercent))
    if (warmup.aggression !== undefined && warmup.aggression <= 0) findings.error(`${path}.warmup.aggression`, 'must be above 0')
    if (hash || simple === 'RANDOM') findings.warn(`${path}.warmup`, 'has an effect with ROUND_ROBIN and LEAST_REQUEST only', codes.ignored)
  }
  if (warmupDurationSecs !== undefined) {
    findings.warn(`${path}.warmupDurationSecs`, 'is the old form; write warmup: {duration: …}', codes.deprecated)
    findings.fault(`${path}.warmupDurationSecs`, durationFault(warmupDurationSecs))
  }
  if (locality) checkLocality(locality, `${path}.localityLbSetting`, Boolean(outlierDetection), findings)
}

/** Routers write it into answers, as RFC 6265 §4.1.1 has it. */
function checkCookie(cookie: ConsistentHash['httpCookie'], path: string, findings: Findings): void {
  if (!cookie) return
  const { name, path: prefix, ttl, attributes = [] } = cookie
  const isValue = (text = ''): boolean => !hasControls(text) && !text.includes(';')
  if (!isHeaderName(name)) findings.error(`${path}.name`, name ? `${JSON.stringify(name)} is no name of a cookie` : 'is empty')
  if (!isValue(prefix)) findings.error(`${path}.path`, 'has a control character or a semicolon')
  if (ttl !== undefined) findings.fault(`${path}.ttl`, durationFault(ttl, { zero: true }))
  for (const [position, { name, value }] of attributes.entries()) {
    const at = `${path}.attributes[${position}]`
    if (!isHeaderName(name)) findings.error(`${at}.name`, name ? `${JSON.stringify(name)} is no name of an attribute` : 'is empty')
    else if (attributes.findIndex((other) => other.name === name) < position) findings.error(`${at}.name`, `${name} stands there twice`)
    if (!isValue(value)) findings.error(`${at}.value`, 'has a control character or a semicolon')
  }
}

/** Where shares are of at least one percent, there are no more. */
const mostZones = 100

type Locality = NonNullable<NonNullable<PortTrafficPolicy['loadBalancer']>['localityLbSetting']>

function checkLocality(
  { distribute = [], failover = [], failoverPriority = [] }: Locality,
  path: string,
  outliers: boolean,
  findings: Findings,
): void {
  if (distribute.length > mostZones)
    return findings.error(`${path}.distribute`, `has ${distribute.length} entries; ${mostZones} are the most`)
  if (distribute.length && failover.length) findings.error(`${path}.failover`, 'only one of distribute and failover can be given')
  distribute.forEach(({ from, to = {} }, position) => {
    const at = `${path}.distribute[${position}]`
    const earlier = distribute.slice(0, position).find((other) => overlap(other.from ?? '', from ?? ''))
    findings.fault(`${at}.from`, localityFault(from ?? '') ?? (earlier ? `overlaps with ${earlier.from}` : undefined))
    const weights = Object.entries(to)
    const sum = weights.reduce((total, [, weight]) => total + weight, 0)
    if (sum !== 100) findings.error(`${at}.to`, `the shares make ${sum}, not 100`)
    weights.slice(0, mostZones).forEach(([zone, weight], index) => {
      const other = weights.slice(0, index).find(([before]) => overlap(before, zone))
      findings.fault(
        within(`${at}.to`, zone),
        localityFault(zone) ??
          (other ? `overlaps with ${other[0]}` : undefined) ??
          (weight >= 1 && weight <= 100 ? undefined : `${weight} is no share; write 1 to 100`),
      )
    })
  })
  failover.forEach(({ from, to }, position) => {
    const at = `${path}.failover[${position}]`
    if (from === to) findings.error(at, 'from and to are the same')
    for (const [name, region] of [
      ['from', from],
      ['to', to],
    ] as const)
      if (!region || /[/*]/.test(region))
        findings.error(`${at}.${name}`, `${JSON.stringify(region ?? '')} is no region; write the name of one, without / and *`)
  })
  if ((failover.length || failoverPriority.length) && !outliers) findings.warn(path, 'fails over only with outlierDetection beside it')
}

function localityFault(locality: string): string | undefined {
  const parts = locality.split('/')
  if (parts.length > 3 || parts.some((part) => !part))
    return `${JSON.stringify(locality)} is no locality; write REGION/ZONE, as cf/z1, or *`
  return /\*./.test(locality) ? `${JSON.stringify(locality)}: a * stands only at the end` : undefined
}

/** Whether two localities have a zone in common. */
function overlap(a: string, b: string): boolean {
  const [one, other] = [a, b].map((locality) => locality.split('/').filter((part) => part !== '*'))
  return one!.every((part, position) => other![position] === undefined || other![position] === part)
}

function checkTls({ tls }: PortTrafficPolicy, path: string, namespace: string, findings: Findings): void {
  if (!tls) return
  const { mode, credentialName } = tls
  const files = (['caCertificates', 'clientCertificate', 'privateKey', 'caCrl'] as const).filter((field) => tls[field])
  if (namespace !== systemNamespace) {
    for (const field of files)
      if (!(field === 'caCertificates' && tls[field] === 'system'))
        findings.error(
          `${path}.${field}`,
          "files are the operator's: `meshctl secret set NAME …`, and write credentialName: NAME",
          codes.operatorOnly,
        )
  }
  if (mode === 'ISTIO_MUTUAL')
    findings.warn(
      `${path}.mode`,
      'ISTIO_MUTUAL has no effect: instances are asked by mutual TLS with their identity checked, always',
      codes.ignored,
    )
  if (mode === 'MUTUAL' && !credentialName) {
    for (const field of ['clientCertificate', 'privateKey'] as const)
      if (!tls[field]) findings.error(`${path}.${field}`, 'MUTUAL needs a certificate; write credentialName')
  }
  if (credentialName && files.length)
    findings.error(`${path}.credentialName`, `only one of credentialName and ${files.join(', ')} can be given`)
  if (tls.insecureSkipVerify && (tls.caCertificates || tls.subjectAltNames?.length || (mode === 'SIMPLE' && credentialName))) {
    findings.error(`${path}.insecureSkipVerify`, 'checks nothing, so leave caCertificates, subjectAltNames and credentialName out')
  }
}

function isPrime(number: number): boolean {
  if (number < 2 || (number % 2 === 0 && number !== 2)) return false
  for (let factor = 3; factor * factor <= number; factor += 2) if (number % factor === 0) return false
  return true
}
