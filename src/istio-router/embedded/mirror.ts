import { Readable } from 'node:stream'
import type { Exchange } from './exchange.ts'
import { Headers } from './http/headers.ts'
import type { Mirror } from './routing/mirrors.ts'
import type { AttemptEvents, RequestBody } from './upstream/attempt.ts'
import type { Cluster } from './upstream/cluster.ts'

/** Copies of a request that wait for its body, of which they are told. */
export interface Copies {
  passed(chunk: Buffer): void
  ended(): void
  /** The request broke off; nothing is sent. */
  drop(): void
}

/**
 * Most of a body that is kept for copies or further tries, in bytes; a request with more is not mirrored, nor tried again (Envoy's buffer
 * limit).
 */
export const keptLimit = 131_072
/** Time that a copy has for its answer, milliseconds. */
const patience = 15_000

/** Sends copies of a request to those mirrors that are to have this one, once its body is there as a whole. Nobody waits for them. */
export function mirror(exchange: Exchange, mirrors: Mirror[], body: RequestBody | undefined): Copies | undefined {
  const wanted = mirrors.filter((one) => one.wanted())
  if (wanted.length === 0) return undefined
  const { method, path, authority, scheme } = exchange
  const headers = exchange.headers.list.slice()
  const sendAll = (content: Buffer | undefined): void => {
    for (const { cluster: name, suffix } of wanted) {
      const cluster = exchange.clusters.get(name)
      if (cluster)
        send(
          cluster,
          exchange,
          { method, path, authority: suffix ? withSuffix(authority) : authority, scheme, headers: headers.slice() },
          content,
        )
    }
  }
  if (!body) {
    sendAll(undefined)
    return undefined
  }
  let chunks: Buffer[] | undefined = []
  let bytes = 0
  return {
    passed(chunk) {
      bytes += chunk.length
      if (bytes > keptLimit) chunks = undefined
      chunks?.push(chunk)
    },
    ended() {
      if (chunks) sendAll(Buffer.concat(chunks))
      chunks = undefined
    },
    drop: () => (chunks = undefined),
  }
}

function withSuffix(authority: string): string {
  const port = /:\d+$/.exec(authority)?.[0] ?? ''
  return `${authority.slice(0, authority.length - port.length)}-shadow${port}`
}

function send(
  cluster: Cluster,
  { manager, protocol }: Exchange,
  request: { method: string; path: string; authority: string; scheme: string; headers: string[] },
  content: Buffer | undefined,
): void {
  const endpoint = cluster.pick(undefined, undefined)
  if (!endpoint || cluster.active >= cluster.config.limits.requests) return
  cluster.active++
  endpoint.active++
  const done = (): void => {
    clearTimeout(timer)
    cluster.active--
    endpoint.active--
  }
  const events: AttemptEvents = {
    connected() {},
    informational() {},
    head: () => true,
    data: () => true,
    end: done,
    fail: done,
    upgraded: (_headers, socket) => socket.destroy(),
  }
  const body: RequestBody | undefined = content && {
    stream: Readable.from(content.length > 0 ? [content] : []),
    sized: true,
    trailers: () => [],
    passed() {},
  }
  if (content && !new Headers(request.headers).has('content-length')) request.headers.push('content-length', String(content.length))
  const timer = setTimeout(() => {
    attempt.abort()
    done()
  }, patience).unref()
  const attempt = endpoint
    .pool(cluster.versionFor(protocol), cluster.config, manager.shared.secrets)
    .send({ ...request, body, expectContinue: false, upgrade: undefined }, events)
}
