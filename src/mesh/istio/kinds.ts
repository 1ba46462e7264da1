import type { ResourceKind } from './types.ts'

interface KindInfo {
  apiVersion: string
  apiVersions: string[]
  plural: string
  short: string
}

const networking = (plural: string, short: string): KindInfo => ({
  apiVersion: 'networking.istio.io/v1',
  apiVersions: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  plural,
  short,
})

/** The kinds of resources: the apiVersions in which each is accepted, and its names on a command line. */
export const kindInfo: Record<ResourceKind, KindInfo> = {
  Gateway: networking('gateways', 'gw'),
  VirtualService: networking('virtualservices', 'vs'),
  DestinationRule: networking('destinationrules', 'dr'),
  ServiceEntry: networking('serviceentries', 'se'),
  RateLimit: { apiVersion: 'mesh.cloudfoundry.org/v1', apiVersions: ['mesh.cloudfoundry.org/v1'], plural: 'ratelimits', short: 'rl' },
}

export const resourceKinds = Object.keys(kindInfo) as ResourceKind[]

/** The operator's own namespace. */
export const systemNamespace = 'mesh-system'

/** The kind that `vs`, `virtualservice`, `VirtualServices`, … names. */
export function kindNamed(name: string): ResourceKind | undefined {
  const lower = name.toLowerCase().replace(/\..*$/, '')
  return resourceKinds.find((kind) => [kind.toLowerCase(), kindInfo[kind].plural, kindInfo[kind].short].includes(lower))
}

const later = 'it comes with the security work; until then, leave it out'
const deployed =
  "the mesh is deployed by BOSH; logs, traces, ports and the rest of it are properties of the operator's jobs, so leave it out"
const sidecar = 'there are no sidecars: the routers are the mesh'

/** Why kinds that Istio's users know are not accepted. */
export const refusedKinds: Record<string, string> = {
  PeerAuthentication: later,
  RequestAuthentication: later,
  AuthorizationPolicy: later,
  Sidecar: sidecar,
  EnvoyFilter: `raw Envoy configuration could take other spaces' traffic; say what you need with a VirtualService or DestinationRule`,
  WorkloadEntry: 'write it inline, in the endpoints of a ServiceEntry',
  WorkloadGroup: sidecar,
  ProxyConfig: 'how the routers run is their configuration',
  Telemetry: 'metrics, logs and traces are configured by the operator',
  WasmPlugin: 'the routers run no plugins of users',
  IstioOperator: deployed,
  ServiceMeshControlPlane: deployed,
  ServiceMeshMemberRoll: 'every organization and space belongs to the mesh; leave it out',
  HTTPRoute: 'the Gateway API is not spoken; write a VirtualService',
  GRPCRoute: 'the Gateway API is not spoken; write a VirtualService',
  Service: 'every app is a service by its name, or by its label `app`; push it with cf',
  Deployment: 'apps are pushed with `cf push`',
  Ingress: 'write a Gateway and a VirtualService, or map a route with `cf map-route`',
  Secret: 'write it with `meshctl secret set NAME --cert FILE --key FILE`',
}
