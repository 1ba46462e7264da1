import { typeUrls } from '../../common/xds/resources.ts'
import { compileCluster, type ClusterConfig } from './resources/cluster.ts'
import { decodeEndpoints, type EndpointConfig } from './resources/endpoints.ts'
import { compileListener, type ListenerConfig } from './resources/listener.ts'
import { compileScope, type Scope } from './resources/scope.ts'
import { compileSecret, type Secret } from './resources/secret.ts'
import { Unsupported } from './resources/support.ts'
import { compileRoutes, type RouteTable } from './routing/table.ts'

/** A resource that is ready to be put in place. */
export type Compiled = { name: string; version: string } & (
  | { kind: 'secret'; value: Secret }
  | { kind: 'cluster'; value: ClusterConfig }
  | { kind: 'endpoint'; value: EndpointConfig[] }
  | { kind: 'route'; value: RouteTable }
  | { kind: 'scope'; value: Scope }
  | { kind: 'listener'; value: ListenerConfig }
)

/** Compiles the resource `name` from its bytes. Throws `Unsupported`, or what protobuf says of bytes that it cannot read. */
export function compile(typeUrl: string, name: string, version: string, bytes: Uint8Array): Compiled {
  switch (typeUrl) {
    case typeUrls.secret:
      return { kind: 'secret', name, version, value: compileSecret(bytes) }
    case typeUrls.cluster:
      return { kind: 'cluster', name, version, value: compileCluster(bytes) }
    case typeUrls.endpoint:
      return { kind: 'endpoint', name, version, value: decodeEndpoints(bytes) }
    case typeUrls.route:
      return { kind: 'route', name, version, value: compileRoutes(bytes) }
    case typeUrls.scope:
      return { kind: 'scope', name, version, value: compileScope(bytes) }
    case typeUrls.listener:
      return { kind: 'listener', name, version, value: compileListener(bytes) }
    default:
      throw new Unsupported('type_url', `${typeUrl} is not supported by the embedded engine`)
  }
}
