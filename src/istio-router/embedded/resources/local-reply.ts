import type { LocalReplyConfig } from '../../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import type { Exchange } from '../exchange.ts'
import { compileHeaderLists, type Mutation } from '../http/mutation.ts'
import { compileFormat, compileLogFilter } from './access-log.ts'
import { inline } from './secret.ts'

/** What the engine answers by itself, after the mapper that fits has had its say. */
export interface LocalReplies {
  mappers: LocalReplyMapper[]
  body: ReplyBody | undefined
}

export interface LocalReplyMapper {
  fits: (exchange: Exchange) => boolean
  status: number | undefined
  /** Replaces the text of the reply before it is formatted. */
  text: string | undefined
  body: ReplyBody | undefined
  headers: Mutation | undefined
}

export interface ReplyBody {
  contentType: string
  write: (exchange: Exchange) => string
}

/** Compiles a `LocalReplyConfig`. Throws `Unsupported`. */
export function compileLocalReplies(config: LocalReplyConfig | undefined): LocalReplies {
  return {
    mappers: (config?.mappers ?? []).map((mapper, index) => ({
      fits: mapper.filter ? compileLogFilter(mapper.filter, `local_reply_config.mappers[${index}].filter`) : () => true,
      status: mapper.statusCode,
      text: mapper.body ? inline(mapper.body, 'body').toString() : undefined,
      body: compileBody(mapper.bodyFormatOverride),
      headers: compileHeaderLists(mapper.headersToAdd, []),
    })),
    body: compileBody(config?.bodyFormat),
  }
}

function compileBody(format: LocalReplyConfig['bodyFormat']): ReplyBody | undefined {
  if (!format) return undefined
  const json = format.format.case === 'jsonFormat'
  const write = compileFormat(format)
  return {
    contentType: format.contentType || (json ? 'application/json' : 'text/plain'),
    write: json ? (exchange) => `${write(exchange)}\n` : write,
  }
}
