import type { ResourceKind } from './types.ts'

export type Engine = 'envoy' | 'embedded'

/** What becomes of a field. */
export interface Support {
  /** The engines that do it. */
  engines: readonly Engine[]
  /** Why a resource that has it is refused; what to write instead. */
  refused?: string
  /** Why it changes nothing here; applying it warns. */
  ignored?: string
  /** What is otherwise here than Istio has it: values that are refused and why, or where the engines differ. */
  but?: string
}

const both: Support = { engines: ['envoy', 'embedded'] }
const envoy: Support = { engines: ['envoy'] }
const refused = (reason: string): Support => ({ engines: [], refused: reason })
const ignored = (reason: string): Support => ({ engines: [], ignored: reason })

const all = (support: Support, paths: string): Record<string, Support> =>
  Object.fromEntries(
    paths
      .trim()
      .split(/\s+/)
      .map((path) => [path, support]),
  )

const exportTo = ignored('a rule shapes only routes of its own space, so there is nothing to export')

const unknownCallers = refused('callers are known on the internal listener alone, which serves HTTP; write an http rule, or leave it out')

const written: Support = {
  ...both,
  but: "the platform's own headers are refused, and those that say where a message ends; so are Envoy's variables that tell of the router itself, as %ENVIRONMENT(…)%",
}
/** What becomes of the conditions of a request, in a VirtualService and in a RateLimit. */
const match: Record<string, Support> = {
  ...all(both, 'authority headers{} ignoreUriCase method name port queryParams{} scheme uri withoutHeaders{}'),
  ...all(both, 'gateways sourceLabels sourceNamespace'),
  statPrefix: ignored('metrics have the names of route and app'),
}
const under = (path: string, table: Record<string, Support>): Record<string, Support> =>
  Object.fromEntries(Object.entries(table).map(([name, support]) => [`${path}.${name}`, support]))

/**
 * What becomes of each field without inner ones. Parts that recur stand once, as `simplify` says: a string match by its own path, a policy
 * of a subset or port as that of the whole rule.
 */
export const support: Record<ResourceKind, Record<string, Support>> = {
  Gateway: {
    ...all(both, 'selector servers[].hosts servers[].port.name servers[].port.number servers[].port.protocol'),
    ...under('servers[]', {
      name: ignored('it is for people who read the resource; nothing goes by it'),
      bind: refused('which addresses a router listens on is its configuration; leave it out'),
      defaultEndpoint: refused('routers have no endpoint of their own; write a VirtualService with a route'),
      'port.targetPort': refused('it has no meaning for a Gateway, in Istio neither; leave it out'),
    }),
    ...under('servers[].tls', {
      ...all(
        both,
        'httpsRedirect credentialName serverCertificate privateKey caCertificates minProtocolVersion maxProtocolVersion cipherSuites credentialNames subjectAltNames caCertCredentialName',
      ),
      ...all(both, 'caCrl verifyCertificateHash verifyCertificateSpki tlsCertificates[].serverCertificate tlsCertificates[].privateKey'),
      mode: { ...both, but: 'ISTIO_MUTUAL and AUTO_PASSTHROUGH are refused: they are for sidecars' },
      'tlsCertificates[].caCertificates': refused('the CAs of clients are the same for all certificates; write tls.caCertificates'),
    }),
  },
  VirtualService: {
    exportTo,
    ...all(both, 'hosts gateways http[].name http[].timeout'),
    ...under('http[].match[]', match),
    ...under('http[]', {
      ...all(both, 'route[].destination.host route[].destination.subset route[].destination.port.number route[].weight'),
      ...all(written, 'headers.request.add headers.request.set headers.response.add headers.response.set'),
      ...all(written, 'route[].headers.request.add route[].headers.request.set route[].headers.response.add route[].headers.response.set'),
      ...all(both, 'headers.request.remove headers.response.remove route[].headers.request.remove route[].headers.response.remove'),
      ...all(both, 'redirect.authority redirect.derivePort redirect.port redirect.redirectCode redirect.scheme redirect.uri'),
      ...all(both, 'directResponse.status directResponse.body.string directResponse.body.bytes delegate.name delegate.namespace'),
      ...all(both, 'rewrite.uri rewrite.authority rewrite.uriRegexRewrite.match rewrite.uriRegexRewrite.rewrite'),
      ...all(
        both,
        'retries.attempts retries.backoff retries.perTryTimeout retries.retryIgnorePreviousHosts retries.retryOn retries.retryRemoteLocalities',
      ),
      ...all(
        both,
        'fault.abort.grpcStatus fault.abort.httpStatus fault.abort.percentage.value fault.delay.fixedDelay fault.delay.percent fault.delay.percentage.value',
      ),
      'fault.abort.http2Error': refused('Istio has never implemented it; write httpStatus or grpcStatus'),
      'fault.delay.exponentialDelay': refused('Istio has never implemented it; write fixedDelay'),
      ...all(both, 'mirror.host mirror.subset mirror.port.number mirrorPercent mirror_percent mirrorPercentage.value'),
      ...all(both, 'mirrors[].destination.host mirrors[].destination.subset mirrors[].destination.port.number mirrors[].percentage.value'),
      ...all(
        both,
        'corsPolicy.allowCredentials corsPolicy.allowHeaders corsPolicy.allowMethods corsPolicy.allowOrigin corsPolicy.allowOrigins[]',
      ),
      ...all(both, 'corsPolicy.exposeHeaders corsPolicy.maxAge corsPolicy.unmatchedPreflights'),
    }),
    ...under('tls[]', {
      ...all(both, 'match[].sniHosts match[].port match[].gateways match[].destinationSubnets'),
      ...all(unknownCallers, 'match[].sourceLabels match[].sourceNamespace'),
    }),
    ...under('tcp[]', {
      ...all(both, 'match[].port match[].gateways match[].destinationSubnets'),
      ...all(unknownCallers, 'match[].sourceLabels match[].sourceNamespace'),
    }),
    'tcp[].match[].sourceSubnet': refused('Istio ignores it; leave it out'),
    ...under('tls[].route[]', all(both, 'destination.host destination.subset destination.port.number weight')),
    ...under('tcp[].route[]', all(both, 'destination.host destination.subset destination.port.number weight')),
  },
  DestinationRule: {
    exportTo,
    'workloadSelector.matchLabels': refused('there are no sidecars to select; a rule holds for all callers'),
    ...all(both, 'host subsets[].name subsets[].labels trafficPolicy.port.number'),
    ...under('trafficPolicy.connectionPool', {
      ...all(both, 'tcp.connectTimeout tcp.idleTimeout tcp.maxConnectionDuration tcp.maxConnections'),
      ...all(envoy, 'tcp.tcpKeepalive.time tcp.tcpKeepalive.interval tcp.tcpKeepalive.probes'),
      ...all(
        both,
        'http.useClientProtocol http.h2UpgradePolicy http.http1MaxPendingRequests http.http2MaxRequests http.idleTimeout http.maxConcurrentStreams http.maxRequestsPerConnection http.maxRetries',
      ),
    }),
    ...under('trafficPolicy.loadBalancer', {
      ...all(both, 'simple warmup.aggression warmup.duration warmup.minimumPercent warmupDurationSecs'),
      ...all(
        both,
        'consistentHash.httpHeaderName consistentHash.httpQueryParameterName consistentHash.useSourceIp consistentHash.minimumRingSize',
      ),
      ...all(both, 'consistentHash.httpCookie.name consistentHash.httpCookie.path consistentHash.httpCookie.ttl'),
      ...all(both, 'consistentHash.httpCookie.attributes[].name consistentHash.httpCookie.attributes[].value'),
      ...all(both, 'consistentHash.ringHash.minimumRingSize consistentHash.maglev.tableSize'),
      ...all(both, 'localityLbSetting.enabled localityLbSetting.distribute[].from localityLbSetting.distribute[].to'),
      ...all(both, 'localityLbSetting.failover[].from localityLbSetting.failover[].to localityLbSetting.failoverPriority'),
    }),
    ...under('trafficPolicy.outlierDetection', {
      ...all(
        both,
        'baseEjectionTime consecutive5xxErrors consecutiveErrors consecutiveGatewayErrors consecutiveLocalOriginFailures interval',
      ),
      ...all(both, 'maxEjectionPercent minHealthPercent splitExternalLocalOriginErrors'),
    }),
    'trafficPolicy.tls.mode': {
      ...both,
      but: 'ISTIO_MUTUAL has no effect: instances are always asked by mutual TLS with their identity checked',
    },
    ...under(
      'trafficPolicy.tls',
      all(both, 'sni subjectAltNames caCertificates clientCertificate privateKey insecureSkipVerify caCrl credentialName'),
    ),
    ...under('trafficPolicy', {
      ...all(both, 'retryBudget.minRetryConcurrency retryBudget.percent'),
      'proxyProtocol.version': refused('neither instances nor external services are spoken to by the PROXY protocol; leave it out'),
      ...all(
        refused('requests are not tunnelled; write a ServiceEntry for the proxy itself'),
        'tunnel.protocol tunnel.targetHost tunnel.targetPort',
      ),
    }),
  },
  ServiceEntry: {
    exportTo: ignored('the apps of its own space meet it; all meet that of the operator'),
    ...all(both, 'subjectAltNames ports[].name ports[].number ports[].protocol ports[].targetPort'),
    ...all(both, 'endpoints[].address endpoints[].labels endpoints[].ports endpoints[].weight endpoints[].locality'),
    hosts: { ...both, but: 'wildcards are refused: nobody owns the names beneath one' },
    resolution: { ...both, but: "DYNAMIC_DNS is refused: names that only a request tells would reach anything; NONE is the operator's" },
    addresses: ignored('apps reach the service by its name; no traffic to addresses is caught'),
    location: ignored('it makes no difference here: what the router asks a service for is said by a DestinationRule'),
    'endpoints[].network': refused('there is one network; write an address that the routers reach'),
    'endpoints[].serviceAccount': ignored('there are no service accounts; write subjectAltNames'),
    'workloadSelector.labels': refused('workloads stand inline as endpoints'),
  },
  RateLimit: {
    ...all(both, 'hosts limits[].per limits[].requests limits[].unit limits[].burst'),
    ...all(envoy, 'global'),
    ...under('match[]', { ...match, gateways: refused('a limit holds for its hosts whichever Gateway a request comes by; leave it out') }),
  },
}

/** The path under which a field stands in the table. */
export function simplify(path: string): string {
  return path
    .replace(/^subsets\[\]\.(?=trafficPolicy\.)/, '')
    .replace('portLevelSettings[].', '')
    .replace(/(\.(?:uri|scheme|method|authority)|\{\}|allowOrigins\[\])\.(exact|prefix|regex)$/, '$1')
}

/** What becomes of the field at `path`, where `[]` stands for any item of a list and `{}` for any of a map. */
export function supportOf(kind: ResourceKind, path: string): Support | undefined {
  return support[kind][simplify(path)]
}
