import { HttpProtocolOptionsSchema } from '../../common/proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js'
import { HttpConnectionManager_CodecType } from '../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import type { Feature } from './feature.ts'
import { duration, packed } from './proto.ts'

/** Windows as Envoy advises for proxies that face the internet, so that a slow reader holds little memory. */
const windows = { initialStreamWindowSize: 65_536, initialConnectionWindowSize: 1_048_576 }

/**
 * Upgrades that are passed over (RFC 9110 §7.8): those to a version of a protocol, as clients offer TLS (RFC 2817), which Envoy would refuse.
 */
const passedOver = [{ matchPattern: { case: 'contains' as const, value: '/' } }]

/** Headers of an answer, which may have many cookies: their size is what limits them. */
const mostHeaders = 10_000

/**
 * HTTP/1.1 and HTTP/2 with trailers, from clients either, to an app what its destination says. Whether a body is sent that
 * waits for `100 Continue` is the app's word.
 */
export const protocols: Feature = {
  manager: ({ settings }) => ({
    codecType: HttpConnectionManager_CodecType.AUTO,
    httpProtocolOptions: { enableTrailers: true, ignoreHttp11Upgrade: passedOver },
    proxy100Continue: true,
    http2ProtocolOptions: { ...windows, maxConcurrentStreams: 100, allowConnect: true },
    commonHttpProtocolOptions: { idleTimeout: duration(settings.clientIdleTimeout), maxHeadersCount: settings.maxHeaders },
    maxRequestHeadersKb: settings.maxHeadersKilobytes,
  }),

  cluster: ({ protocol, policy }, { settings }) => {
    const { http, tcp } = policy?.connectionPool ?? {}
    const streams = http?.maxConcurrentStreams ? { maxConcurrentStreams: http.maxConcurrentStreams } : {}
    const http2 = { case: 'http2ProtocolOptions' as const, value: { ...windows, ...streams } }
    const http1 = { case: 'httpProtocolOptions' as const, value: { enableTrailers: true } }
    return {
      typedExtensionProtocolOptions: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': packed(HttpProtocolOptionsSchema, {
          commonHttpProtocolOptions: {
            idleTimeout: duration(http?.idleTimeout ?? tcp?.idleTimeout ?? settings.instanceIdleTimeout),
            maxHeadersCount: mostHeaders,
            ...(http?.maxRequestsPerConnection ? { maxRequestsPerConnection: http.maxRequestsPerConnection } : {}),
            ...(tcp?.maxConnectionDuration ? { maxConnectionDuration: duration(tcp.maxConnectionDuration) } : {}),
          },
          upstreamProtocolOptions:
            protocol === 'client'
              ? { case: 'useDownstreamProtocolConfig', value: { httpProtocolOptions: http1.value, http2ProtocolOptions: http2.value } }
              : { case: 'explicitHttpConfig', value: { protocolConfig: protocol === 'http2' ? http2 : http1 } },
        }),
      },
    }
  },
}
