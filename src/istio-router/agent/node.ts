import { create, type JsonObject } from '@bufbuild/protobuf'
import { version } from '../../common/version.ts'
import { compressedFeature } from '../../common/xds/compressed.ts'
import { NodeSchema, type Node } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import type { RouterConfig } from '../config.ts'

/** This router as pilot knows it (docs/architecture.md, contract 3). */
export function routerNode(config: RouterConfig): Node {
  const { name, zone, labels, listeners, gatewayPorts, keypairs, trustedHops, trustedCidrs, accessLog } = config
  const metadata: JsonObject = {
    labels,
    listeners,
    gatewayPorts,
    keypairs: keypairs.map((keypair) => keypair.name),
    trustedHops,
    trustedCidrs,
    accessLog,
  }
  return create(NodeSchema, {
    id: name,
    cluster: 'istio-router',
    locality: { zone },
    userAgentName: 'istio-router',
    userAgentVersionType: { case: 'userAgentVersion', value: version },
    clientFeatures: [compressedFeature],
    metadata,
  })
}
