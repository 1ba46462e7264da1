import type { Any } from '@bufbuild/protobuf/wkt'
import { TcpProxySchema } from '../../../common/proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js'
import { compileAccessLogs, type AccessLogConfig } from './access-log.ts'
import { Unsupported, millis, unpack } from './support.ts'

/** How connections are passed on. */
export interface TcpProxyConfig {
  /** The cluster of the next connection, by weight where there are several. */
  clusterOf: () => string
  /** Milliseconds without a byte either way after which both ends are closed; 0 for never. */
  idleTimeout: number
  accessLogs: AccessLogConfig[]
}

/** Compiles a `TcpProxy`. Throws `Unsupported`. */
export function compileTcpProxy(any: Any | undefined, path: string): TcpProxyConfig {
  const proxy = unpack(
    TcpProxySchema,
    any,
    {
      stat_prefix: true,
      cluster: true,
      weighted_clusters: { clusters: { name: true, weight: true } },
      idle_timeout: true,
      access_log: true,
    },
    path,
  )
  return {
    clusterOf: compileClusters(proxy.clusterSpecifier, path),
    idleTimeout: millis(proxy.idleTimeout, 3_600_000),
    accessLogs: compileAccessLogs(proxy.accessLog),
  }
}

type Specifier = ReturnType<typeof unpack<typeof TcpProxySchema>>['clusterSpecifier']

function compileClusters(specifier: Specifier, path: string): () => string {
  if (specifier.case === 'cluster') {
    const name = specifier.value
    return () => name
  }
  if (specifier.case !== 'weightedClusters') throw new Unsupported(`${path}.cluster_specifier`, 'is missing')
  let total = 0
  const shares = specifier.value.clusters.map(({ name, weight }) => ({ name, until: (total += weight) }))
  if (total === 0) throw new Unsupported(`${path}.weighted_clusters`, 'have no weight')
  return () => {
    const turn = Math.random() * total
    return shares.find(({ until }) => turn < until)!.name
  }
}
