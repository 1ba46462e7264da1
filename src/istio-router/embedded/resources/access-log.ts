import type { AccessLog, AccessLogFilter } from '../../../common/proto/gen/envoy/config/accesslog/v3/accesslog_pb.js'
import { ComparisonFilter_Op } from '../../../common/proto/gen/envoy/config/accesslog/v3/accesslog_pb.js'
import type { SubstitutionFormatString } from '../../../common/proto/gen/envoy/config/core/v3/substitution_format_string_pb.js'
import { FileAccessLogSchema } from '../../../common/proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js'
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from '../../../common/proto/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js'
import type { Any } from '@bufbuild/protobuf/wkt'
import { compileJson, compileText, type Logged } from '../http/format.ts'
import { inline } from './secret.ts'
import { Unsupported, unpack } from './support.ts'

/** Where and how finished requests are written down. */
export interface AccessLogConfig {
  /** A file's path, `/dev/stdout` or `/dev/stderr`. */
  path: string
  wanted: (exchange: Logged) => boolean
  /** The line with its line feed. */
  line: (exchange: Logged) => string
}

type Compiler = (any: Any, path: string) => Pick<AccessLogConfig, 'path' | 'line'>

/** The access loggers by their Envoy names. */
const loggers: Record<string, Compiler> = {
  'envoy.access_loggers.file': (any, path) => {
    const log = unpack(FileAccessLogSchema, any, { path: true, log_format: true }, path)
    return { path: log.path, line: formatLine(log.accessLogFormat.value as SubstitutionFormatString | undefined) }
  },
  'envoy.access_loggers.stdout': (any, path) => {
    const log = unpack(StdoutAccessLogSchema, any, { log_format: true }, path)
    return { path: '/dev/stdout', line: formatLine(log.accessLogFormat.value) }
  },
  'envoy.access_loggers.stderr': (any, path) => {
    const log = unpack(StderrAccessLogSchema, any, { log_format: true }, path)
    return { path: '/dev/stderr', line: formatLine(log.accessLogFormat.value) }
  },
  // Counts for Envoy's own statistics, which this engine does not have; its metrics are on /metrics.
  'envoy.access_loggers.stats': () => ({ path: '', line: () => '' }),
}

/** Compiles the access loggers of a connection manager. Throws `Unsupported`. */
export function compileAccessLogs(logs: AccessLog[]): AccessLogConfig[] {
  return logs
    .map((log, index) => {
      const path = `access_log[${index}]`
      const compile = loggers[log.name]
      if (!compile) throw new Unsupported(`${path}.name`, `${log.name} is not supported by the embedded engine`)
      const wanted = log.filter ? compileLogFilter(log.filter, `${path}.filter`) : () => true
      return { ...compile(log.configType.value as Any, path), wanted }
    })
    .filter(({ path }) => path !== '')
}

const defaultFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n'

function formatLine(format: SubstitutionFormatString | undefined): (exchange: Logged) => string {
  if (!format) return compileText(defaultFormat, '-')
  const write = compileFormat(format)
  return format.format.case === 'jsonFormat' ? (exchange) => `${write(exchange)}\n` : write
}

/** Compiles a `SubstitutionFormatString`. Throws `Unsupported`. */
export function compileFormat(format: SubstitutionFormatString): (exchange: Logged) => string {
  const { case: kind, value } = format.format
  switch (kind) {
    case 'jsonFormat':
      return compileJson(value, format.omitEmptyValues)
    case 'textFormat':
      return compileText(value, format.omitEmptyValues ? '' : '-')
    case 'textFormatSource':
      return compileText(inline(value, 'text_format_source').toString(), format.omitEmptyValues ? '' : '-')
    default:
      throw new Unsupported('format', 'is missing')
  }
}

/** Compiles an access log filter, which mappers of local replies use too. Throws `Unsupported`. */
export function compileLogFilter(filter: AccessLogFilter, path: string): (exchange: Logged) => boolean {
  const { case: kind, value } = filter.filterSpecifier
  switch (kind) {
    case 'responseFlagFilter': {
      const flags: string[] = value.flags
      return flags.length === 0
        ? (exchange) => exchange.flags.length > 0
        : (exchange) => exchange.flags.some((flag) => flags.includes(flag))
    }
    case 'statusCodeFilter':
      return compare(value.comparison, path, (exchange) => exchange.status)
    case 'durationFilter':
      return compare(value.comparison, path, (exchange) => exchange.durations.total)
    case 'headerFilter': {
      const { name = '', headerMatchSpecifier: specifier } = value.header ?? {}
      if (specifier?.case !== 'presentMatch') throw new Unsupported(`${path}.header_filter.header`, 'must be present_match')
      return (exchange) => (exchange.requestHeader(name) !== undefined) === specifier.value
    }
    case 'notHealthCheckFilter':
      return () => true
    case 'andFilter': {
      const filters = value.filters.map((inner) => compileLogFilter(inner, path))
      return (exchange) => filters.every((inner) => inner(exchange))
    }
    case 'orFilter': {
      const filters = value.filters.map((inner) => compileLogFilter(inner, path))
      return (exchange) => filters.some((inner) => inner(exchange))
    }
    default:
      throw new Unsupported(`${path}.${kind ?? 'filter_specifier'}`)
  }
}

function compare(
  comparison: { op: ComparisonFilter_Op; value?: { defaultValue: number } | undefined } | undefined,
  path: string,
  read: (exchange: Logged) => number,
): (exchange: Logged) => boolean {
  const limit = comparison?.value?.defaultValue ?? 0
  switch (comparison?.op) {
    case ComparisonFilter_Op.EQ:
      return (exchange) => read(exchange) === limit
    case ComparisonFilter_Op.GE:
      return (exchange) => read(exchange) >= limit
    case ComparisonFilter_Op.LE:
      return (exchange) => read(exchange) <= limit
    default:
      throw new Unsupported(`${path}.comparison.op`)
  }
}
