import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findEnvoy } from '../../src/istio-router/envoy/binary.ts'
import { requestFields } from '../../src/pilot/translate/access-log.ts'
import { freePort } from '../../test/support/program.ts'
import { eventually } from '../../test/support/wait.ts'
import { program, type Backend, type StartProxy } from './proxy.ts'

const type = (name: string): string => `type.googleapis.com/envoy.${name}`
const set = (key: string, value: string) => ({ append: { header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' } })

/** Removes what clients must not set. */
const removeAll = (prefix: string) => ({ remove_on_match: { key_matcher: { prefix } } })

/** A trace in both forms for a request without one, by the cheapest means that Envoy has without code: as pilot's. */
const span = '%REQ(x-mesh-uuid):8%%REQ(X-REQUEST-ID):8%'
const ids = '%REQ(X-B3-TRACEID)%-%REQ(X-B3-SPANID)%'
const trace = [
  set('x-mesh-uuid', '%UNIQUE_ID%'),
  set('X-B3-TraceId', `%START_TIME(%s%6f)%${span}`),
  set('X-B3-SpanId', span),
  set('b3', ids),
  set('traceparent', `00-${ids}-01`),
]

const present = (header_name: string) => ({
  single_predicate: {
    input: { name: 'header', typed_config: { '@type': type('type.matcher.v3.HttpRequestHeaderMatchInput'), header_name } },
    value_match: { safe_regex: { google_re2: {}, regex: '.*' } },
  },
})

/** A filter that requests with one of the headers pass by. */
const unless = (names: string[], { name, typed_config }: { name: string; typed_config: object }) => ({
  name: `${name} unless ${names.join(', ')}`,
  typed_config: {
    '@type': type('extensions.common.matching.v3.ExtensionWithMatcher'),
    extension_config: { name, typed_config },
    xds_matcher: {
      matcher_list: {
        matchers: [
          {
            predicate: { or_matcher: { predicate: names.map(present) } },
            on_match: {
              action: { name: 'skip', typed_config: { '@type': type('extensions.filters.common.matcher.action.v3.SkipFilter') } },
            },
          },
        ],
      },
    },
  },
})

const headers = [
  removeAll('x-envoy-'),
  removeAll('x-mesh-'),
  set('X-CF-ApplicationID', '%CLUSTER_METADATA(mesh:app)%'),
  set('X-CF-InstanceID', '%UPSTREAM_HOST_NAME%'),
  set('X-CF-InstanceIndex', '%UPSTREAM_METADATA(mesh:i)%'),
  set('X-Vcap-Request-Id', '%STREAM_ID%'),
  set('X-Request-Start', '%START_TIME(%s%3f)%'),
]

/** What somebody would write by hand for one route: the same instances, log, headers and TLS as pilot's, and nothing else. */
function configuration(
  { instances, port, files, folder }: Backend,
  host: string,
  ports: { http: number; https: number; admin: number },
  withTrace: boolean,
): object {
  const mutation = (mutations: object) => ({
    name: 'envoy.filters.http.header_mutation',
    typed_config: { '@type': type('extensions.filters.http.header_mutation.v3.HeaderMutation'), mutations },
  })
  const manager = {
    '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'http',
    use_remote_address: true,
    early_header_mutation_extensions: [
      {
        name: 'headers',
        typed_config: {
          '@type': type('extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation'),
          mutations: ['x-envoy-', 'x-mesh-', 'x-cf-'].map(removeAll),
        },
      },
    ],
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: {
          '@type': type('extensions.access_loggers.file.v3.FileAccessLog'),
          path: join(folder, 'static.access.log'),
          log_format: { json_format: requestFields },
        },
      },
    ],
    route_config: {
      virtual_hosts: [{ name: 'app', domains: [host], routes: [{ match: { prefix: '/' }, route: { cluster: 'app', timeout: '900s' } }] }],
    },
    http_filters: [
      ...(withTrace ? [unless(['b3', 'x-b3-traceid', 'traceparent'], mutation({ request_mutations: trace }))] : []),
      {
        name: 'envoy.filters.http.router',
        typed_config: {
          '@type': type('extensions.filters.http.router.v3.Router'),
          suppress_envoy_headers: true,
          upstream_http_filters: [
            mutation({ request_mutations: headers, response_mutations: [set('X-Vcap-Request-Id', '%STREAM_ID%')] }),
            {
              name: 'envoy.filters.http.upstream_codec',
              typed_config: { '@type': type('extensions.filters.http.upstream_codec.v3.UpstreamCodec') },
            },
          ],
        },
      },
    ],
  }
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }]
  const pem = ({ certificate, key }: { certificate: string; key: string }) => ({
    certificate_chain: { filename: certificate },
    private_key: { filename: key },
  })
  const socket = (port: number, address = '127.0.0.1') => ({ socket_address: { address, port_value: port } })
  const clientTls = {
    '@type': type('extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
    common_tls_context: { alpn_protocols: ['h2', 'http/1.1'], tls_certificates: [pem(files.server)] },
  }
  const instanceTls = {
    '@type': type('extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
    sni: 'unknown-instance.invalid',
    auto_host_sni: true,
    auto_sni_san_validation: true,
    max_session_keys: 0,
    common_tls_context: {
      alpn_protocols: ['http/1.1'],
      tls_certificates: [pem(files.client)],
      validation_context: { trusted_ca: { filename: files.ca } },
    },
  }
  return {
    admin: { address: socket(ports.admin) },
    static_resources: {
      listeners: [
        { name: 'http', address: socket(ports.http), filter_chains: [{ filters }] },
        {
          name: 'https',
          address: socket(ports.https),
          filter_chains: [{ filters, transport_socket: { name: 'tls', typed_config: clientTls } }],
        },
      ],
      clusters: [
        {
          name: 'app',
          connect_timeout: '5s',
          metadata: { filter_metadata: { mesh: { app: 'app-guid' } } },
          transport_socket: { name: 'tls', typed_config: instanceTls },
          load_assignment: {
            cluster_name: 'app',
            endpoints: [
              {
                lb_endpoints: instances.map(({ address, guid }, index) => ({
                  endpoint: { hostname: guid, address: socket(port, address) },
                  metadata: { filter_metadata: { mesh: { i: String(index) } } },
                })),
              },
            ],
          },
        },
      ],
    },
  }
}

const start =
  (name: string, withTrace: boolean): StartProxy =>
  async (backend, host) => {
    const ports = { http: await freePort(), https: await freePort(), admin: await freePort() }
    const file = join(backend.folder, `static-${ports.http}.json`)
    writeFileSync(file, JSON.stringify(configuration(backend, host, ports, withTrace)))
    const running = program(
      findEnvoy(undefined),
      ['--config-path', file, '--disable-hot-restart', '--log-level', 'error', '--file-flush-interval-msec', '1000'],
      { ownSession: true },
    )
    await eventually(async () => (await (await fetch(`http://127.0.0.1:${ports.admin}/ready`)).text()).startsWith('LIVE'), 120_000)
    return { name, http: ports.http, https: ports.https, host, ...running }
  }

/** The same headers, a trace's among them. */
export const staticEnvoy = start('Envoy, one static route', true)
/** The same but for the trace. */
export const staticEnvoyUntraced = start('Envoy, one static route, no trace headers', false)
