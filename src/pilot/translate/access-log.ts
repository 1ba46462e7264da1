import { FileAccessLogSchema } from '../../common/proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js'
import { StdoutAccessLogSchema } from '../../common/proto/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js'
import { appGuid } from './app-headers.ts'
import type { Feature } from './feature.ts'
import { packed } from './proto.ts'
import type { RouterNode } from './router-node.ts'

/** One JSON object a request. The path is logged without its query, which may hold secrets. */
export const requestFields = {
  time: '%START_TIME%',
  request_id: '%STREAM_ID%',
  client: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  method: '%REQ(:METHOD)%',
  scheme: '%REQ(X-FORWARDED-PROTO)%',
  host: '%REQ(:AUTHORITY)%',
  path: '%PATH(NQ)%',
  protocol: '%PROTOCOL%',
  tls: '%DOWNSTREAM_TLS_VERSION%',
  user_agent: '%REQ(USER-AGENT)%',
  status: '%RESPONSE_CODE%',
  flags: '%RESPONSE_FLAGS%',
  details: '%RESPONSE_CODE_DETAILS%',
  failure: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration_ms: '%DURATION%',
  attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  route: '%UPSTREAM_CLUSTER%',
  app: '%REQ(X-CF-APPLICATIONID)%',
  instance: '%UPSTREAM_HOST_NAME%',
  instance_index: '%REQ(X-CF-INSTANCEINDEX)%',
  upstream: '%UPSTREAM_HOST%',
  traceparent: '%REQ(TRACEPARENT)%',
  tracestate: '%REQ(TRACESTATE)%',
  b3: '%REQ(B3)%',
  b3_trace_id: '%REQ(X-B3-TRACEID)%',
  b3_span_id: '%REQ(X-B3-SPANID)%',
}

/** A connection that is passed on as it is has no headers: of it the endpoint tells the app, and what it has not is left out. */
const connectionFields = { ...requestFields, app: appGuid, instance_index: '%UPSTREAM_METADATA(mesh:i)%' }

/**
 * Lines of `requestFields`. What a request has not is null: to leave it out, Envoy builds the whole line as a message first, and to read an
 * endpoint's metadata costs it twice what the header costs that was made of them (docs/benchmarks.md).
 */
const requests = { format: { case: 'jsonFormat' as const, value: requestFields } }
const connections = { format: { case: 'jsonFormat' as const, value: connectionFields }, omitEmptyValues: true }

type Format = typeof requests | typeof connections

/** Standard output has a logger of its own: as a socket, which a supervisor gives its child, it cannot be opened as `/dev/stdout`. */
const stdout = (value: Format) => ({
  name: 'envoy.access_loggers.stdout',
  configType: { case: 'typedConfig' as const, value: packed(StdoutAccessLogSchema, { accessLogFormat: { case: 'logFormat', value } }) },
})
const file = (path: string, value: Format) => ({
  name: 'envoy.access_loggers.file',
  configType: { case: 'typedConfig' as const, value: packed(FileAccessLogSchema, { path, accessLogFormat: { case: 'logFormat', value } }) },
})

const logOf = ({ accessLog }: RouterNode, format: Format) =>
  accessLog === '' ? [] : [accessLog === '/dev/stdout' ? stdout(format) : file(accessLog, format)]

/** The access log of connections, where the router's node asks for one. */
export const connectionLog = (node: RouterNode) => logOf(node, connections)

export const accessLog: Feature = {
  manager: ({ node }) => (node.accessLog === '' ? {} : { accessLog: logOf(node, requests) }),
}
