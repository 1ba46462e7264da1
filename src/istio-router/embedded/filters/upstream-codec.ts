import type { FilterType } from './filter.ts'

/** The end of the router's upstream chain: what writes the request to the endpoint. Nothing to do here, since the router does it. */
export const upstreamCodec: FilterType = {
  name: 'envoy.filters.http.upstream_codec',
  compile: () => ({}),
}
