import {
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_ServerHeaderTransformation,
} from '../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import type { Feature, HeaderMutationInit } from './feature.ts'
import { keepNamedInstance } from './named-instances.ts'

/** Removes headers that only the router may set. */
const remove = (prefix: string): HeaderMutationInit => ({
  action: { case: 'removeOnMatch', value: { keyMatcher: { matchPattern: { case: 'prefix', value: prefix } } } },
})

/**
 * What a client sent under a name that only the router may set is removed before anything looks at it, except that it may name an instance;
 * an app's `Server` header stays its own. Where clients show certificates, `X-Forwarded-Client-Cert` tells whose it is.
 */
export const requestHygiene: Feature = {
  manager: ({ listener }) => ({
    ...(listener.clientCertificates === 'none'
      ? { forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.SANITIZE }
      : {
          forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.SANITIZE_SET,
          setCurrentClientCertDetails: { subject: true, dns: true },
        }),
    serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
  }),
  early: () => [remove('x-envoy-'), remove('x-mesh-'), ...keepNamedInstance, remove('x-cf-')],
}
