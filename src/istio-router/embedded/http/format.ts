import type { JsonObject, JsonValue } from '@bufbuild/protobuf'
import { splitTarget } from '../../../mesh/path.ts'
import { Unsupported } from '../resources/support.ts'
import type { Exchange } from '../exchange.ts'

/** What formats read: a request with its answer, or a connection that is passed on. */
export type Logged = Pick<
  Exchange,
  | 'requestHeader'
  | 'responseHeaders'
  | 'responseTrailers'
  | 'localReplyBody'
  | 'status'
  | 'flags'
  | 'detail'
  | 'transportFailure'
  | 'startedAt'
  | 'durations'
  | 'bytesReceived'
  | 'bytesSent'
  | 'attempts'
  | 'peer'
  | 'client'
  | 'route'
  | 'cluster'
  | 'endpoint'
> & { [Field in 'protocol' | 'id' | 'path' | 'originalPath']: string | undefined }

/** A value of a command operator; undefined where the request has none. */
export type FieldValue = string | number | JsonValue | undefined
type Field = (logged: Logged) => FieldValue

/**
 * Compiles a text with Envoy's command operators (`%REQ(USER-AGENT)%`, `%%` is a percent sign) into a function. Where an
 * operator has no value, `empty` stands for it. Throws `Unsupported` for an operator that is not known.
 */
export function compileText(text: string, empty: string): (exchange: Logged) => string {
  const parts = parse(text)
  if (parts.every((part) => typeof part === 'string')) {
    const constant = parts.join('')
    return () => constant
  }
  if (parts.length === 1) {
    const field = parts[0] as Field
    return (exchange) => textOf(field(exchange), empty)
  }
  return (exchange) => {
    let result = ''
    for (const part of parts) result += typeof part === 'string' ? part : textOf(part(exchange), empty)
    return result
  }
}

/**
 * Compiles a JSON format into a function that writes one JSON value; an operator that stands alone keeps its type, and is null without a
 * value.
 */
export function compileJson(format: JsonObject, omitEmpty = false): (exchange: Logged) => string {
  const write = compileValue(format, omitEmpty)
  return (exchange) => write(exchange) ?? '{}'
}

type Writer = (exchange: Logged) => string | undefined

function compileValue(value: JsonValue, omitEmpty: boolean): Writer {
  if (typeof value === 'string') return compileString(value, omitEmpty)
  if (typeof value !== 'object' || value === null) {
    const constant = JSON.stringify(value)
    return () => constant
  }
  if (Array.isArray(value)) {
    const items = value.map((item) => compileValue(item, false))
    return (exchange) => `[${items.map((item) => item(exchange) ?? 'null').join(',')}]`
  }
  const members = Object.entries(value).map(([name, member]) => ({
    prefix: `${JSON.stringify(name)}:`,
    write: compileValue(member, omitEmpty),
  }))
  return (exchange) => {
    let result = ''
    for (const { prefix, write } of members) {
      const text = write(exchange)
      if (text !== undefined) result += `${result === '' ? '{' : ','}${prefix}${text}`
    }
    return result === '' ? '{}' : `${result}}`
  }
}

function compileString(text: string, omitEmpty: boolean): Writer {
  const parts = parse(text)
  const [only] = parts
  if (parts.length === 1 && typeof only === 'function') {
    const missing = omitEmpty ? undefined : 'null'
    return (exchange) => {
      const value = only(exchange)
      return value === undefined
        ? missing
        : typeof value === 'number'
          ? String(value)
          : typeof value === 'string'
            ? quoted(value)
            : JSON.stringify(value)
    }
  }
  const write = compileText(text, omitEmpty ? '' : '-')
  return (exchange) => {
    const value = write(exchange)
    return omitEmpty && value === '' ? undefined : quoted(value)
  }
}

/** A text in JSON. Most need no escapes, and to see so costs less than `JSON.stringify`. */
const quoted = (text: string): string => (/^[ !#-[\]-~]*$/.test(text) ? `"${text}"` : JSON.stringify(text))

function textOf(value: FieldValue, empty: string): string {
  return value === undefined ? empty : typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value)
}

const operator = /%(?:%|([A-Z0-9_]+)(?:\(([^)]*)\))?(?::(\d+))?%)/g

function parse(text: string): (string | Field)[] {
  const parts: (string | Field)[] = []
  let at = 0
  let literal = ''
  for (const match of text.matchAll(operator)) {
    literal += text.slice(at, match.index)
    at = match.index + match[0].length
    const [, name, argument, length] = match
    if (name === undefined) {
      literal += '%'
      continue
    }
    if (literal !== '') parts.push(literal)
    literal = ''
    parts.push(compileField(name, argument ?? '', length))
  }
  literal += text.slice(at)
  if (/%[A-Z]/.test(literal)) throw new Unsupported(text, 'has a command operator that the embedded engine cannot read')
  if (literal !== '' || parts.length === 0) parts.push(literal)
  return parts
}

function compileField(name: string, argument: string, length: string | undefined): Field {
  const make = fields[name]
  if (!make) throw new Unsupported(`%${name}%`)
  const field = make(argument)
  if (length === undefined) return field
  return (exchange) => {
    const value = field(exchange)
    return value === undefined ? undefined : textOf(value, '').slice(0, Number(length))
  }
}

/** Each command operator by its name: takes what stands in brackets, gives the function that reads the value. */
const fields: Record<string, (argument: string) => Field> = {
  START_TIME: (format) => startTime(format),
  REQ: (names) => header(names, (exchange, name) => exchange.requestHeader(name)),
  RESP: (names) =>
    header(names, (exchange, name) => (name === ':status' ? String(exchange.status) : exchange.responseHeaders.getAll(name))),
  TRAILER: (names) => header(names, (exchange, name) => exchange.responseTrailers.getAll(name)),
  REQ_WITHOUT_QUERY: (names) => header(names, (exchange, name) => exchange.requestHeader(name)?.replace(/\?.*$/, '')),
  PATH: (argument) => pathOf(argument),
  PROTOCOL: () => (exchange) => exchange.protocol,
  RESPONSE_CODE: () => (exchange) => exchange.status,
  RESPONSE_CODE_DETAILS: () => (exchange) => exchange.detail,
  RESPONSE_FLAGS: () => (exchange) => exchange.flags.join(',') || '-',
  GRPC_STATUS_NUMBER: () => grpcStatus,
  GRPC_STATUS: () => grpcStatus,
  BYTES_RECEIVED: () => (exchange) => exchange.bytesReceived,
  BYTES_SENT: () => (exchange) => exchange.bytesSent,
  DURATION: () => (exchange) => exchange.durations.total,
  REQUEST_DURATION: () => (exchange) => exchange.durations.request,
  RESPONSE_DURATION: () => (exchange) => exchange.durations.response,
  RESPONSE_TX_DURATION: () => (exchange) => exchange.durations.transmission,
  STREAM_ID: () => (exchange) => exchange.id,
  ROUTE_NAME: () => (exchange) => exchange.route?.name || undefined,
  LOCAL_REPLY_BODY: () => (exchange) => exchange.localReplyBody,
  UPSTREAM_HOST:
    () =>
    ({ endpoint }) =>
      endpoint && `${endpoint.address}:${endpoint.port}`,
  UPSTREAM_REMOTE_ADDRESS:
    () =>
    ({ endpoint }) =>
      endpoint && `${endpoint.address}:${endpoint.port}`,
  UPSTREAM_HOST_NAME:
    () =>
    ({ endpoint }) =>
      endpoint && (endpoint.hostname || `${endpoint.address}:${endpoint.port}`),
  UPSTREAM_HOST_NAME_WITHOUT_PORT:
    () =>
    ({ endpoint }) =>
      endpoint && (endpoint.hostname || endpoint.address),
  UPSTREAM_CLUSTER: () => (exchange) => exchange.cluster?.config.name,
  UPSTREAM_CLUSTER_RAW: () => (exchange) => exchange.cluster?.config.name,
  UPSTREAM_REQUEST_ATTEMPT_COUNT: () => (exchange) => exchange.attempts,
  UPSTREAM_TRANSPORT_FAILURE_REASON: () => (exchange) => exchange.transportFailure,
  CLUSTER_METADATA: (path) => metadata(path, (exchange) => exchange.cluster?.config.metadata),
  UPSTREAM_METADATA: (path) => metadata(path, (exchange) => exchange.endpoint?.metadata),
  ROUTE_METADATA: (path) => metadata(path, (exchange) => exchange.route?.metadata),
  METADATA: (argument) => {
    const [kind, ...path] = argument.split(':')
    const make = { CLUSTER: 'CLUSTER_METADATA', UPSTREAM_HOST: 'UPSTREAM_METADATA', ROUTE: 'ROUTE_METADATA' }[kind ?? '']
    if (!make) throw new Unsupported(`%METADATA(${argument})%`)
    return fields[make]!(path.join(':'))
  },
  DOWNSTREAM_REMOTE_ADDRESS: () => (exchange) =>
    exchange.client.port ? `${exchange.client.address}:${exchange.client.port}` : exchange.client.address,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: () => (exchange) => exchange.client.address,
  DOWNSTREAM_REMOTE_PORT: () => (exchange) => exchange.client.port,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS:
    () =>
    ({ peer }) =>
      `${peer.remoteAddress}:${peer.remotePort}`,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT:
    () =>
    ({ peer }) =>
      peer.remoteAddress,
  DOWNSTREAM_LOCAL_ADDRESS:
    () =>
    ({ peer }) =>
      `${peer.localAddress}:${peer.localPort}`,
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT:
    () =>
    ({ peer }) =>
      peer.localAddress,
  DOWNSTREAM_LOCAL_PORT:
    () =>
    ({ peer }) =>
      peer.localPort,
  DOWNSTREAM_TLS_VERSION:
    () =>
    ({ peer }) =>
      peer.tlsVersion,
  DOWNSTREAM_TLS_CIPHER:
    () =>
    ({ peer }) =>
      peer.tlsCipher,
  REQUESTED_SERVER_NAME:
    () =>
    ({ peer }) =>
      peer.serverName,
}

/**
 * `PATH(NQ)` is the path without its query; a second word says which: as it came (`ORIG`), as it is sent on (`PATH`), or the first of them
 * that there is.
 */
function pathOf(argument: string): Field {
  const [query = 'WQ', which = 'ORIG_OR_PATH'] = argument.split(':')
  if (!['', 'WQ', 'NQ'].includes(query) || !['ORIG', 'PATH', 'ORIG_OR_PATH'].includes(which)) throw new Unsupported(`%PATH(${argument})%`)
  return ({ originalPath, path }) => {
    const value = which === 'PATH' ? path : originalPath
    return query === 'NQ' && value !== undefined ? splitTarget(value).path : value
  }
}

/** `X?Y` reads Y where there is no X. */
function header(names: string, read: (exchange: Logged, name: string) => string | undefined): Field {
  const [first = '', second] = names.toLowerCase().split('?')
  return second === undefined ? (exchange) => read(exchange, first) : (exchange) => read(exchange, first) ?? read(exchange, second)
}

function metadata(argument: string, read: (exchange: Logged) => Record<string, JsonValue> | undefined): Field {
  const path = argument.split(':')
  return (exchange) => {
    let value: JsonValue | undefined = read(exchange)
    for (const key of path) value = typeof value === 'object' && value !== null && !Array.isArray(value) ? value[key] : undefined
    return value ?? undefined
  }
}

function grpcStatus(exchange: Logged): FieldValue {
  const status = exchange.responseTrailers.get('grpc-status') ?? exchange.responseHeaders.get('grpc-status')
  return status === undefined ? undefined : Number(status)
}

/** The second that was last written, and how. */
let second = NaN
let untilSecond = ''

/** As `Date`'s `toISOString`, which is slow, but called once a second. */
function isoTime(time: number): string {
  const current = Math.floor(time / 1000)
  if (current !== second) {
    second = current
    untilSecond = new Date(time).toISOString().slice(0, -4)
  }
  return `${untilSecond}${String(time - 1000 * current).padStart(3, '0')}Z`
}

/** `%s` seconds since 1970, `%3f` milliseconds and so on, and the parts of a UTC date; without a format RFC 3339 with milliseconds. */
function startTime(format: string): Field {
  if (format === '') return (exchange) => isoTime(exchange.startedAt)
  if (format === '%s%3f') return (exchange) => String(exchange.startedAt)
  const known = /%(?:[sYmdHMSTF]|[1-9]f)/g
  if (format.replaceAll(known, '').includes('%')) throw new Unsupported(`%START_TIME(${format})%`)
  return (exchange) => {
    const iso = new Date(exchange.startedAt).toISOString()
    return format.replaceAll(known, (part) => {
      switch (part[1]) {
        case 's':
          return String(Math.floor(exchange.startedAt / 1000))
        case 'Y':
          return iso.slice(0, 4)
        case 'm':
          return iso.slice(5, 7)
        case 'd':
          return iso.slice(8, 10)
        case 'H':
          return iso.slice(11, 13)
        case 'M':
          return iso.slice(14, 16)
        case 'S':
          return iso.slice(17, 19)
        case 'T':
          return iso.slice(11, 19)
        case 'F':
          return iso.slice(0, 10)
        default:
          return `${iso.slice(20, 23)}000000`.slice(0, Number(part[1]))
      }
    })
  }
}
