const names = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

/**
 * Envoy's variables that values of headers may have (its command operators, configuration/observability/access_log/usage in its
 * documentation). Not among them is what tells of the router itself: its environment, host name and files.
 */
const plain = names(`
  PROTOCOL RESPONSE_CODE RESPONSE_CODE_DETAILS RESPONSE_FLAGS RESPONSE_FLAGS_LONG GRPC_STATUS GRPC_STATUS_NUMBER
  BYTES_RECEIVED BYTES_SENT DURATION REQUEST_DURATION REQUEST_TX_DURATION RESPONSE_DURATION RESPONSE_TX_DURATION ROUNDTRIP_DURATION
  STREAM_ID CONNECTION_ID CONNECTION_TERMINATION_DETAILS ROUTE_NAME VIRTUAL_CLUSTER_NAME REQUESTED_SERVER_NAME PATH START_TIME TRACE_ID
  UPSTREAM_HOST UPSTREAM_HOST_NAME UPSTREAM_HOST_NAME_WITHOUT_PORT UPSTREAM_CLUSTER UPSTREAM_CLUSTER_RAW UPSTREAM_REQUEST_ATTEMPT_COUNT
  UPSTREAM_PROTOCOL UPSTREAM_TRANSPORT_FAILURE_REASON UPSTREAM_CONNECTION_ID
  UPSTREAM_REMOTE_ADDRESS UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT UPSTREAM_REMOTE_PORT
  UPSTREAM_LOCAL_ADDRESS UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT UPSTREAM_LOCAL_PORT
  DOWNSTREAM_REMOTE_ADDRESS DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT DOWNSTREAM_REMOTE_PORT
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT DOWNSTREAM_DIRECT_REMOTE_PORT
  DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_LOCAL_PORT
  DOWNSTREAM_TLS_VERSION DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_SESSION_ID
  DOWNSTREAM_PEER_CERT DOWNSTREAM_PEER_CERT_V_START DOWNSTREAM_PEER_CERT_V_END DOWNSTREAM_PEER_SUBJECT DOWNSTREAM_PEER_ISSUER
  DOWNSTREAM_PEER_SERIAL DOWNSTREAM_PEER_FINGERPRINT_1 DOWNSTREAM_PEER_FINGERPRINT_256
  DOWNSTREAM_PEER_URI_SAN DOWNSTREAM_PEER_DNS_SAN DOWNSTREAM_PEER_IP_SAN DOWNSTREAM_PEER_EMAIL_SAN
`)
const header = /^:?[!#$&'*+\-.^_`|~\w]+(\?:?[!#$&'*+\-.^_`|~\w]+)?$/
const anything = /./
/** Those with something in brackets, and what that may be; of a header another one behind `?`, for where it is not there. */
const inBrackets: Record<string, RegExp> = {
  REQ: header,
  RESP: header,
  TRAILER: header,
  QUERY_PARAM: anything,
  PATH: /^(WQ|NQ)?(:(ORIG|PATH|ORIG_OR_PATH))?$/,
  START_TIME: anything,
  CLUSTER_METADATA: anything,
  UPSTREAM_METADATA: anything,
  DOWNSTREAM_PEER_CERT_V_START: anything,
  DOWNSTREAM_PEER_CERT_V_END: anything,
}
/** Of these a length behind the brackets takes the beginning. */
const cut = names('REQ RESP TRAILER QUERY_PARAM PATH')

const variable = /%(?:%|([A-Z0-9_]+)(?:\(([^()]*)\))?(?::(\d+))?%)/g

/** Each of them, written as in a value. */
export const variables = [
  ...[...plain].map((name) => `%${name}%`),
  ...Object.entries(inBrackets).map(([name, form]) => `%${name}(${form.test('a') ? 'a' : 'WQ'})%`),
]

/** What is wrong with a value of a header, in which Envoy replaces %…%, and %% is a percent sign; undefined where nothing is. */
export function headerValueFault(value: string): string | undefined {
  if (hasControls(value)) return 'has a control character'
  for (const [text, name, argument, length] of value.matchAll(variable)) {
    const fault = name === undefined ? undefined : variableFault(name, argument, length)
    if (fault !== undefined) return `${text} ${fault}`
  }
  return value.replaceAll(variable, '').includes('%')
    ? `${JSON.stringify(value)} has a single %; write %% for a percent sign, or a whole variable as %REQ(NAME)%`
    : undefined
}

function variableFault(name: string, argument: string | undefined, length: string | undefined): string | undefined {
  const form = Object.hasOwn(inBrackets, name) ? inBrackets[name] : undefined
  if (!form && !plain.has(name)) return 'is no variable that can be read here; write one as %REQ(NAME)%, or %% for a percent sign'
  if (argument === undefined && !plain.has(name)) return 'does not say which; write it as %REQ(NAME)%'
  if (argument !== undefined && !form?.test(argument))
    return form ? `cannot be read: ${JSON.stringify(argument)}` : `has nothing in brackets; write %${name}%`
  return length === undefined || (argument !== undefined && cut.has(name)) ? undefined : 'has no length; leave it out'
}

/** Whether a text has characters that cannot stand in a header, or in a path. */
export const hasControls = (text: string): boolean => /[\0-\x08\x0a-\x1f\x7f]/.test(text)
