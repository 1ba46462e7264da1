import type { Any } from '@bufbuild/protobuf/wkt'
import type { Exchange } from '../exchange.ts'
import type { Headers } from '../http/headers.ts'

/** One HTTP filter with its configuration. */
export interface HttpFilter {
  /**
   * Sees a request before it goes on: in the listener's chain `headers` are the request's own, in the router's upstream chain those
   * of one try, with its endpoint known. False: the filter has answered, or will call `exchange.proceed()`.
   */
  request?(headers: Headers, exchange: Exchange): boolean
  /** Sees the head of a response before it goes to the client. */
  response?(headers: Headers, exchange: Exchange): void
}

/** A kind of filter, registered once in the list of filters. */
export interface FilterType {
  /** Envoy's name of the filter. */
  name: string
  /** Compiles the configuration of the filter `name`. Throws `Unsupported`. */
  compile: (config: Any | undefined, path: string, name: string) => HttpFilter
  /**
   * Compiles what a route or virtual host says (`typed_per_filter_config`) to the filter that its requests pass instead; absent where it
   * can say nothing. Throws `Unsupported`.
   */
  perRoute?: (config: Any, path: string) => HttpFilter
  /** Whether it looks itself for what it is for, and so does nothing where pilot has a route switch it off. */
  onlyWhere?: true
  /** Whether other filters of this engine do what it does, so that a route need not switch it on. */
  elsewhere?: true
}
