import { FileAccessLogSchema } from '../../common/proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js'
import { StdoutAccessLogSchema } from '../../common/proto/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js'
import { appGuid } from './app-headers.ts'
import type { Feature } from './feature.ts'
import { packed } from './proto.ts'
import type { RouterNode } from './router-node.ts'

/** One JSON object a request. The path is logged without its query, which may hold secrets. */
const fields = {
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
  app: appGuid,
  instance: '%UPSTREAM_HOST_NAME%',
  instance_index: '%UPSTREAM_METADATA(mesh:i)%',
  upstream: '%UPSTREAM_HOST%',
  traceparent: '%REQ(TRACEPARENT)%',
  tracestate: '%REQ(TRACESTATE)%',
  b3: '%REQ(B3)%',
  b3_trace_id: '%REQ(X-B3-TRACEID)%',
  b3_span_id: '%REQ(X-B3-SPANID)%',
}

const accessLogFormat = { case: 'logFormat' as const, value: { format: { case: 'jsonFormat' as const, value: fields }, omitEmptyValues: true } }

/** Standard output has a logger of its own: as a socket, which a supervisor gives its child, it cannot be opened as `/dev/stdout`. */
const stdout = {
  name: 'envoy.access_loggers.stdout',
  configType: { case: 'typedConfig' as const, value: packed(StdoutAccessLogSchema, { accessLogFormat }) },
}
const file = (path: string) => ({
  name: 'envoy.access_loggers.file',
  configType: { case: 'typedConfig' as const, value: packed(FileAccessLogSchema, { path, accessLogFormat }) },
})

/** The access log, where the router's node asks for one. */
export const accessLogOf = ({ accessLog }: RouterNode) => (accessLog === '' ? [] : [accessLog === '/dev/stdout' ? stdout : file(accessLog)])

export const accessLog: Feature = {
  manager: ({ node }) => (node.accessLog === '' ? {} : { accessLog: accessLogOf(node) }),
}
