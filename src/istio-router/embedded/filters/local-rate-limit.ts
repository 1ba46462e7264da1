import type { Any } from '@bufbuild/protobuf/wkt'
import { LocalRateLimitSchema } from '../../../common/proto/gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js'
import { XRateLimitHeadersRFCVersion } from '../../../common/proto/gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js'
import type { TokenBucket as TokenBucketMessage } from '../../../common/proto/gen/envoy/type/v3/token_bucket_pb.js'
import type { Exchange } from '../exchange.ts'
import { compileHeaderLists } from '../http/mutation.ts'
import { Headers } from '../http/headers.ts'
import { millis, unpack } from '../resources/support.ts'
import { fraction } from '../routing/fraction.ts'
import { compileDescription, type Entry } from './descriptors.ts'
import type { FilterType, HttpFilter } from './filter.ts'
import { TokenBucket, type Rate } from './token-bucket.ts'

/** A bucket for requests of one description; where an entry has no value, one for each value that there is. */
class Descriptor {
  readonly entries: Entry[]
  readonly #rate: Rate
  readonly #most: number
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(entries: Entry[], rate: Rate, most: number) {
    this.entries = entries
    this.#rate = rate
    this.#most = most
  }

  /**
   * The bucket of a request that is described so; undefined where it is another description. The longest unused is forgotten when there are
   * too many.
   */
  bucketOf(described: Entry[]): TokenBucket | undefined {
    if (
      described.length !== this.entries.length ||
      !this.entries.every(({ key, value }, i) => key === described[i]!.key && (value === '' || value === described[i]!.value))
    )
      return undefined
    const id = described.map(({ value }) => value).join('\0')
    const bucket = this.#buckets.get(id) ?? new TokenBucket(this.#rate)
    this.#buckets.delete(id)
    this.#buckets.set(id, bucket)
    if (this.#buckets.size > this.#most) this.#buckets.delete(this.#buckets.keys().next().value!)
    return bucket
  }
}

/** Lets no more requests pass than its buckets have tokens for; the others are answered 429. Envoy: envoy.filters.http.local_ratelimit. */
export const localRateLimit: FilterType = {
  name: 'envoy.filters.http.local_ratelimit',
  compile: () => ({}),
  perRoute: remembered,
}

const known = new Map<string, HttpFilter>()

/** One filter for the very same configuration: counts go on when other routes change, and are shared by listeners. */
function remembered(config: Any, path: string): HttpFilter {
  const key = Buffer.from(config.value).toString('latin1')
  const filter = known.get(key) ?? compileLimit(config, path)
  known.delete(key)
  known.set(key, filter)
  if (known.size > 10_000) known.delete(known.keys().next().value!)
  return filter
}

function compileLimit(config: Any, path: string): HttpFilter {
  const message = unpack(
    LocalRateLimitSchema,
    config,
    {
      stat_prefix: true,
      status: true,
      token_bucket: true,
      filter_enabled: true,
      filter_enforced: true,
      response_headers_to_add: true,
      descriptors: true,
      rate_limits: true,
      max_dynamic_descriptors: true,
      always_consume_default_token_bucket: true,
      enable_x_ratelimit_headers: true,
      enable_retry_after_header: true,
      rate_limited_as_resource_exhausted: true,
    },
    path,
  )
  const all = message.tokenBucket && new TokenBucket(rateOf(message.tokenBucket))
  const most = message.maxDynamicDescriptors ?? 20
  const descriptors = message.descriptors.map(({ entries, tokenBucket }) => new Descriptor(entries, rateOf(tokenBucket!), most))
  const describe = message.rateLimits.map((limit, index) => compileDescription(limit, `${path}.rate_limits[${index}]`))
  const alwaysAll = message.alwaysConsumeDefaultTokenBucket ?? true
  const [enabled, enforced] = [fraction(message.filterEnabled?.defaultValue, 0), fraction(message.filterEnforced?.defaultValue, 0)]
  const code: number = message.status?.code ?? 0
  const status = code >= 400 ? code : 429
  const added = compileHeaderLists(message.responseHeadersToAdd, [])
  const showsLimit = message.enableXRatelimitHeaders === XRateLimitHeadersRFCVersion.DRAFT_VERSION_03
  const states = new WeakMap<Exchange, TokenBucket>()

  return {
    request(_headers, exchange) {
      if (!enabled()) return true
      const matching = describe
        .map((of) => of(exchange) ?? [])
        .flatMap((described) => descriptors.flatMap((descriptor) => descriptor.bucketOf(described) ?? []))
      const buckets = all && (alwaysAll || matching.length === 0) ? [...matching, all] : matching
      const empty = buckets.find((bucket) => !bucket.take())
      const told =
        empty ??
        buckets.reduce<TokenBucket | undefined>((least, bucket) => (least && least.tokens <= bucket.tokens ? least : bucket), undefined)
      if (told && showsLimit) states.set(exchange, told)
      if (!empty || !enforced()) return true
      const headers = new Headers(message.enableRetryAfterHeader ? ['retry-after', String(empty.wait)] : [])
      added?.(headers, exchange)
      exchange.reply(
        status,
        'local_rate_limited',
        'RL',
        'local_rate_limited',
        headers.list,
        message.rateLimitedAsResourceExhausted ? 8 : undefined,
      )
      return false
    },
    response(headers, exchange) {
      const bucket = states.get(exchange)
      if (!bucket) return
      headers.set('x-ratelimit-limit', String(bucket.limit.most))
      headers.set('x-ratelimit-remaining', String(Math.floor(bucket.tokens)))
      headers.set('x-ratelimit-reset', String(bucket.reset))
    },
  }
}

function rateOf({ maxTokens, tokensPerFill, fillInterval }: TokenBucketMessage): Rate {
  return { most: maxTokens, rate: ((tokensPerFill ?? 1) * 1000) / millis(fillInterval, 1000) }
}
