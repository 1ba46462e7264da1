import { HeaderMutationSchema } from '../../../common/proto/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js'
import { compileMutations } from '../http/mutation.ts'
import { unpack } from '../resources/support.ts'
import type { FilterType } from './filter.ts'

/** Sets, adds and removes headers of requests and responses. */
export const headerMutation: FilterType = {
  name: 'envoy.filters.http.header_mutation',

  compile(config, path) {
    const { mutations } = unpack(
      HeaderMutationSchema,
      config,
      { mutations: { request_mutations: true, request_trailers_mutations: true, response_mutations: true } },
      path,
    )
    const request = compileMutations(mutations?.requestMutations ?? [])
    const trailers = compileMutations(mutations?.requestTrailersMutations ?? [])
    const response = compileMutations(mutations?.responseMutations ?? [])
    return {
      ...((request || trailers) && {
        request(headers, exchange) {
          request?.(headers, exchange)
          exchange.changeTrailers = trailers
          return true
        },
      }),
      ...(response && { response }),
    }
  },
}
