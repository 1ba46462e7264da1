import { HeaderMutationSchema as EarlyHeaderMutationSchema } from '../../common/proto/gen/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js'
import { HttpConnectionManager_ForwardClientCertDetails, HttpConnectionManager_ServerHeaderTransformation } from '../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import type { Feature } from './feature.ts'
import { extension } from './proto.ts'

/** Headers that only the router may set. */
const reserved = ['x-cf-', 'x-envoy-', 'x-mesh-']

/** What a client sent under a name that only the router may set is removed before anything looks at it; an app's `Server` header stays its own. */
export const requestHygiene: Feature = {
  manager: () => ({
    forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.SANITIZE,
    serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
    earlyHeaderMutationExtensions: [
      extension('envoy.http.early_header_mutation.header_mutation', EarlyHeaderMutationSchema, {
        mutations: reserved.map((prefix) => ({
          action: { case: 'removeOnMatch' as const, value: { keyMatcher: { matchPattern: { case: 'prefix' as const, value: prefix } } } },
        })),
      }),
    ],
  }),
}
