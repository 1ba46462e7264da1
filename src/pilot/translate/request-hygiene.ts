import { HttpConnectionManager_ForwardClientCertDetails, HttpConnectionManager_ServerHeaderTransformation } from '../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import type { Feature } from './feature.ts'

/** Headers that only the router may set. */
const reserved = ['x-cf-', 'x-envoy-', 'x-mesh-']

/** What a client sent under a name that only the router may set is removed before anything looks at it; an app's `Server` header stays its own. */
export const requestHygiene: Feature = {
  manager: () => ({
    forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.SANITIZE,
    serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
  }),
  early: () => reserved.map((prefix) => ({ action: { case: 'removeOnMatch', value: { keyMatcher: { matchPattern: { case: 'prefix', value: prefix } } } } })),
}
