import type { Duplex, Readable } from 'node:stream'
import type { Failure } from '../http/failure.ts'

/** A request as it goes to one endpoint. */
export interface UpstreamRequest {
  method: string
  /** Path and query; begins with a slash. */
  path: string
  authority: string
  scheme: string
  /** Lower-case names and values in turn, without host and without fields of the connection. */
  headers: string[]
  body: RequestBody | undefined
  /** The client waits for `100 Continue`. */
  expectContinue: boolean
  /** Protocol to upgrade to, such as `websocket`. */
  upgrade: string | undefined
}

/** The body of a request as it comes from the client. */
export interface RequestBody {
  stream: Readable
  /** True if its length stands in `content-length`. */
  sized: boolean
  /** Trailers, known once the stream has ended. */
  trailers(): string[]
  /** What an earlier try has taken of it already, to be sent again before the rest. */
  kept?: Buffer[] | undefined
  /** Told of every chunk that is passed on for the first time. */
  passed(chunk: Buffer): void
}

/** What becomes of a try. After `end`, `fail` or `upgraded` nothing more is told. */
export interface AttemptEvents {
  /** There is a connection for it. */
  connected(): void
  informational(status: number, headers: string[]): void
  /** The response begins; `ended` if it has no body and no trailers. False asks to hold the body back until `resume`. */
  head(status: number, headers: string[], ended: boolean): boolean
  /** `chunk` is only valid during the call. False asks to hold back what follows until `resume`. */
  data(chunk: Buffer): boolean
  end(trailers: string[]): void
  fail(failure: Failure): void
  upgraded(headers: string[], socket: Duplex): void
}

/** A request on its way. */
export interface Attempt {
  /** Gives up; nothing more is told. */
  abort(): void
  resume(): void
}

/** The connections to one endpoint. */
export interface Pool {
  send(request: UpstreamRequest, events: AttemptEvents): Attempt
  /** Whether such a request would find a connection, rather than wait for one to be made. */
  hasConnection(request: Pick<UpstreamRequest, 'upgrade'>): boolean
  /** Takes no more requests: closes idle connections now and the others as they become idle. */
  retire(): void
}
