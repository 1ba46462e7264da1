/**
 * What a DestinationRule says (Istio 1.29, networking/v1alpha3/destination_rule.proto). Written out here, since the generated
 * type is a product of unions that takes the type checker minutes; the generated schema still checks every document.
 */
export interface DestinationRuleSpec {
  host: string
  trafficPolicy?: TrafficPolicy
  subsets?: Subset[]
  exportTo?: string[]
  workloadSelector?: { matchLabels?: Record<string, string> }
}

export interface Subset {
  name: string
  labels?: Record<string, string>
  trafficPolicy?: TrafficPolicy
}

export interface TrafficPolicy extends PolicyParts {
  portLevelSettings?: PortTrafficPolicy[]
  tunnel?: { protocol?: string; targetHost: string; targetPort: number }
  proxyProtocol?: { version?: 'V1' | 'V2' }
  retryBudget?: { percent?: number; minRetryConcurrency?: number }
}

export interface PortTrafficPolicy extends PolicyParts {
  port?: { number?: number }
}

interface PolicyParts {
  connectionPool?: ConnectionPool
  loadBalancer?: LoadBalancer
  outlierDetection?: OutlierDetection
  tls?: ClientTls
}

export interface ConnectionPool {
  tcp?: {
    maxConnections?: number
    connectTimeout?: string
    idleTimeout?: string
    maxConnectionDuration?: string
    tcpKeepalive?: { probes?: number; time?: string; interval?: string }
  }
  http?: {
    http1MaxPendingRequests?: number
    http2MaxRequests?: number
    maxRequestsPerConnection?: number
    maxRetries?: number
    maxConcurrentStreams?: number
    idleTimeout?: string
    h2UpgradePolicy?: 'DEFAULT' | 'DO_NOT_UPGRADE' | 'UPGRADE'
    useClientProtocol?: boolean
  }
}

export interface LoadBalancer {
  simple?: 'UNSPECIFIED' | 'LEAST_CONN' | 'LEAST_REQUEST' | 'RANDOM' | 'ROUND_ROBIN' | 'PASSTHROUGH'
  consistentHash?: ConsistentHash
  localityLbSetting?: {
    distribute?: { from?: string; to?: Record<string, number> }[]
    failover?: { from?: string; to?: string }[]
    failoverPriority?: string[]
    enabled?: boolean
  }
  warmupDurationSecs?: string
  warmup?: { duration: string; minimumPercent?: number; aggression?: number }
}

export interface ConsistentHash {
  httpHeaderName?: string
  httpCookie?: { name: string; path?: string; ttl?: string; attributes?: { name: string; value?: string }[] }
  useSourceIp?: boolean
  httpQueryParameterName?: string
  ringHash?: { minimumRingSize?: number }
  maglev?: { tableSize?: number }
  minimumRingSize?: number
}

export interface OutlierDetection {
  consecutiveErrors?: number
  splitExternalLocalOriginErrors?: boolean
  consecutiveLocalOriginFailures?: number
  consecutiveGatewayErrors?: number
  consecutive5xxErrors?: number
  interval?: string
  baseEjectionTime?: string
  maxEjectionPercent?: number
  minHealthPercent?: number
}

export interface ClientTls {
  mode?: 'DISABLE' | 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL'
  clientCertificate?: string
  privateKey?: string
  caCertificates?: string
  caCrl?: string
  credentialName?: string
  subjectAltNames?: string[]
  sni?: string
  insecureSkipVerify?: boolean
}
