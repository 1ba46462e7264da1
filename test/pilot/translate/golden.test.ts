import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { create, createRegistry, fromBinary, toJson, type DescMessage } from '@bufbuild/protobuf'
import { test } from 'tap'
import { parse, stringify } from 'yaml'
import { ClusterSchema } from '../../../src/common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { NodeSchema } from '../../../src/common/proto/gen/envoy/config/core/v3/base_pb.js'
import { ClusterLoadAssignmentSchema } from '../../../src/common/proto/gen/envoy/config/endpoint/v3/endpoint_pb.js'
import { ListenerSchema } from '../../../src/common/proto/gen/envoy/config/listener/v3/listener_pb.js'
import { FilterConfigSchema } from '../../../src/common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { RouteConfigurationSchema } from '../../../src/common/proto/gen/envoy/config/route/v3/route_pb.js'
import { ScopedRouteConfigurationSchema } from '../../../src/common/proto/gen/envoy/config/route/v3/scoped_route_pb.js'
import { FileAccessLogSchema } from '../../../src/common/proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js'
import { StdoutAccessLogSchema } from '../../../src/common/proto/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js'
import { ExtensionWithMatcherSchema } from '../../../src/common/proto/gen/envoy/extensions/common/matching/v3/extension_matcher_pb.js'
import { SkipFilterSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/common/matcher/action/v3/skip_action_pb.js'
import { CorsPolicySchema, CorsSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js'
import { HTTPFaultSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js'
import { MaglevSchema } from '../../../src/common/proto/gen/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.js'
import { RingHashSchema } from '../../../src/common/proto/gen/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.js'
import { PreviousPrioritiesConfigSchema } from '../../../src/common/proto/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.js'
import { ConfigSchema as HeaderToMetadataSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata_pb.js'
import {
  HeaderMutationPerRouteSchema,
  HeaderMutationSchema,
} from '../../../src/common/proto/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js'
import { RouterSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js'
import { UpstreamCodecSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec_pb.js'
import { ProxyProtocolSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.js'
import { TlsInspectorSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js'
import { HttpConnectionManagerSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import { HeaderMutationSchema as EarlyHeaderMutationSchema } from '../../../src/common/proto/gen/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js'
import { PreviousHostsPredicateSchema } from '../../../src/common/proto/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js'
import { LuaSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/http/lua/v3/lua_pb.js'
import { LuaConfigSchema } from '../../../src/common/proto/gen/envoy/extensions/router/cluster_specifiers/lua/v3/lua_pb.js'
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../../../src/common/proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js'
import { ConfigSchema as OnDemandSecretSchema } from '../../../src/common/proto/gen/on_demand_secret_pb.js'
import { StaticNameSchema } from '../../../src/common/proto/gen/static_name_pb.js'
import { HttpProtocolOptionsSchema } from '../../../src/common/proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js'
import {
  HttpRequestHeaderMatchInputSchema,
  HttpResponseHeaderMatchInputSchema,
} from '../../../src/common/proto/gen/envoy/type/matcher/v3/http_inputs_pb.js'
import { issueCertificate } from '../../../src/common/pki.ts'
import { LocalRateLimitSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js'
import {
  RateLimitPerRouteSchema,
  RateLimitSchema,
} from '../../../src/common/proto/gen/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.js'
import { TcpProxySchema } from '../../../src/common/proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js'
import { ResourceCache } from '../../../src/common/xds/cache.ts'
import { SecretSchema } from '../../../src/common/proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { encodeResource, typeUrls, type Resource } from '../../../src/common/xds/resources.ts'
import type { Change } from '../../../src/mesh/records.ts'
import { resourcesFor } from '../../../src/pilot/translate/per-router.ts'
import { readNode } from '../../../src/pilot/translate/router-node.ts'
import { Translator } from '../../../src/pilot/translate/translator.ts'
import { freePort } from '../../support/program.ts'
import { envoyAbsent, Rig, routerAuthority, settingsOf } from '../rig.ts'

/** A case: what goes in, and which kinds of what comes out are of interest. */
interface Input {
  show: (keyof typeof shown)[]
  /** Names of those that are shown, where not all are. */
  only?: string[]
  settings?: object
  /** A router's metadata. */
  node?: { listeners: object[]; labels?: Record<string, string> }
  /** The router's availability zone. */
  zone?: string
  records: Change[]
}

const shown = {
  cluster: ClusterSchema,
  endpoint: ClusterLoadAssignmentSchema,
  scope: ScopedRouteConfigurationSchema,
  route: RouteConfigurationSchema,
  listener: ListenerSchema,
} satisfies Record<string, DescMessage>
const registry = createRegistry(
  FilterConfigSchema,
  ...Object.values(shown),
  CorsPolicySchema,
  CorsSchema,
  HTTPFaultSchema,
  MaglevSchema,
  PreviousPrioritiesConfigSchema,
  RingHashSchema,
  DownstreamTlsContextSchema,
  EarlyHeaderMutationSchema,
  ExtensionWithMatcherSchema,
  FileAccessLogSchema,
  HeaderMutationPerRouteSchema,
  HeaderMutationSchema,
  HeaderToMetadataSchema,
  HttpConnectionManagerSchema,
  HttpProtocolOptionsSchema,
  HttpRequestHeaderMatchInputSchema,
  HttpResponseHeaderMatchInputSchema,
  LuaConfigSchema,
  LuaSchema,
  PreviousHostsPredicateSchema,
  ProxyProtocolSchema,
  RouterSchema,
  SkipFilterSchema,
  StdoutAccessLogSchema,
  LocalRateLimitSchema,
  RateLimitPerRouteSchema,
  RateLimitSchema,
  TcpProxySchema,
  TlsInspectorSchema,
  UpstreamCodecSchema,
  UpstreamTlsContextSchema,
  OnDemandSecretSchema,
  StaticNameSchema,
)

const cases = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
const rewrite = process.env['MESH_GOLDEN'] === '1'

function translate(input: Input): { resources: Resource[]; translator: Translator } {
  const translator = new Translator(settingsOf(input.settings))
  const cache = new ResourceCache()
  cache.apply({ changed: translator.constants, removed: [] })
  cache.apply(translator.apply(input.records))
  return {
    translator,
    resources: [typeUrls.cluster, typeUrls.endpoint, typeUrls.route].flatMap((typeUrl) => [...cache.all(typeUrl).values()]),
  }
}

/** A resource as the router of the case gets it. */
const asSeenIn = ({ zone, node }: Input, resource: Resource): Resource =>
  resource.forNode?.(create(NodeSchema, { locality: { zone: zone ?? '' }, metadata: { labels: node?.labels ?? {} } })) ?? resource

/** A secret that names files comes to Envoy as their content, by the router's agent. */
function withFiles(resource: Resource): Resource {
  if (resource.typeUrl !== typeUrls.secret) return resource
  const { type } = fromBinary(SecretSchema, resource.any.value)
  const source = (text: string) => ({ specifier: { case: 'inlineString' as const, value: text } })
  const value =
    type.case === 'tlsCertificate'
      ? { case: 'tlsCertificate' as const, value: { certificateChain: source(keypair.certificate), privateKey: source(keypair.key) } }
      : { case: 'validationContext' as const, value: { trustedCa: source(routerAuthority.certificate) } }
  return encodeResource(SecretSchema, resource.name, create(SecretSchema, { name: resource.name, type: value }))
}

/** What its Gateways ask for, with the same keypair for every secret. */
const gatewaysOf = ({ rules }: Translator) => ({
  chains: rules.gatewayChains(),
  credentials: rules.clientCredentials(),
  contents: () => ({ version: '1', certificate: keypair.certificate, key: keypair.key, ca: routerAuthority.certificate }),
})
const keypair = issueCertificate(routerAuthority, { commonName: 'gateway', dns: ['gateway.test'] })

function degradedOf({ rules: { degradations } }: Translator) {
  const keys = [...degradations.keys()]
  return keys.length ? { degraded: Object.fromEntries(keys.map((key) => [key, degradations.of(key)])) } : {}
}

const inputOf = (name: string): Input => parse(readFileSync(join(import.meta.dirname, name, 'input.yaml'), 'utf8')) as Input

for (const name of cases) {
  test(`${name} is translated as written down`, (t) => {
    const input = inputOf(name)
    const { resources, translator } = translate(input)
    const listeners = input.node ? resourcesFor(readNode('golden', input.node), translator.settings, gatewaysOf(translator)) : []
    const output = {
      ...Object.fromEntries(
        input.show.map((kind) => {
          const schema: DescMessage = shown[kind]
          const ofKind = [...resources.map((resource) => asSeenIn(input, resource)), ...listeners].filter(
            ({ typeUrl, name }) => typeUrl === typeUrls[kind] && (input.only?.includes(name) ?? true),
          )
          return [kind, ofKind.map(({ any }) => toJson(schema, fromBinary(schema, any.value), { registry, useProtoFieldName: true }))]
        }),
      ),
      ...(translator.faults.length ? { faults: translator.faults } : {}),
      ...degradedOf(translator),
    }
    const file = join(import.meta.dirname, name, 'output.yaml')
    const text = stringify(output, { lineWidth: 160, aliasDuplicateObjects: false })
    if (rewrite) writeFileSync(file, text)
    t.ok(existsSync(file), 'MESH_GOLDEN=1 writes the output; review it')
    t.equal(text, readFileSync(file, 'utf8'))
    t.end()
  })
}

test('the real Envoy takes every case', { skip: envoyAbsent }, async (t) => {
  const rig = await Rig.start({ listeners: [{ exposure: 'pub' }, { exposure: 'int' }] })
  t.teardown(() => rig.stop())
  for (const name of cases) {
    const input = inputOf(name)
    const { resources, translator } = translate(input)
    const gateways = gatewaysOf(translator)
    const further = gateways.chains.map(({ arrival }) => arrival.port).filter((port) => port !== 80 && port !== 443)
    const gatewayPorts = Object.fromEntries(await Promise.all(further.map(async (port) => [port, await freePort()])))
    const listeners = await Promise.all(
      (input.node?.listeners ?? []).map(async (listener) => ({ ...listener, address: '127.0.0.1', port: await freePort() })),
    )
    const changed = [
      ...resources.map((resource) => asSeenIn(input, resource)),
      ...resourcesFor(
        readNode('golden', { ...input.node, keypairs: ['default'], gatewayPorts, listeners }),
        settingsOf(input.settings),
        gateways,
      ).map(withFiles),
    ]
    rig.cache.apply({ changed, removed: [] })
    await rig.settled()
    t.same(rig.refused.splice(0), [], name)
    rig.cache.apply({ changed: [], removed: changed.filter(({ typeUrl }) => typeUrl !== typeUrls.route) })
  }
})
