import { HeaderValueOption_HeaderAppendAction as Append } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import { HeaderMutationSchema } from '../../common/proto/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js'
import type { Feature } from './feature.ts'
import { packed } from './proto.ts'
import { sessionHeader } from './sticky-sessions.ts'

const set = (key: string, value: string) => ({
  action: { case: 'append' as const, value: { header: { key, value }, appendAction: Append.OVERWRITE_IF_EXISTS_OR_ADD } },
})

const remove = (name: string) => ({ action: { case: 'remove' as const, value: name } })
const removeAll = (prefix: string) => ({
  action: { case: 'removeOnMatch' as const, value: { keyMatcher: { matchPattern: { case: 'prefix' as const, value: prefix } } } },
})

/** The app's guid, from the cluster where a route has one app, else from the endpoint; the other is empty. */
export const appGuid = '%CLUSTER_METADATA(mesh:app)%%UPSTREAM_METADATA(mesh:a)%'

/** Fields that say where a message ends and whom it is for: as trailers they come too late to be anything but misread (RFC 9110 §6.5.1). */
const framing = ['content-length', 'transfer-encoding', 'host', 'connection', 'trailer', 'te', 'upgrade']

/** The headers that gorouter gives an app about itself and the request, none of Envoy's own or ours, and the request's id on the answer. */
export const appHeaders: Feature = {
  upstreamFilter: () => ({
    name: 'envoy.filters.http.header_mutation',
    configType: {
      case: 'typedConfig',
      value: packed(HeaderMutationSchema, {
        mutations: {
          requestMutations: [
            removeAll('x-envoy-'),
            removeAll('x-mesh-'),
            set('X-CF-ApplicationID', appGuid),
            set('X-CF-InstanceID', '%UPSTREAM_HOST_NAME%'),
            set('X-CF-InstanceIndex', '%UPSTREAM_METADATA(mesh:i)%'),
            set('X-Vcap-Request-Id', '%STREAM_ID%'),
            set('X-Request-Start', '%START_TIME(%s%3f)%'),
          ],
          requestTrailersMutations: framing.map(remove),
          responseMutations: [set('X-Vcap-Request-Id', '%STREAM_ID%'), set(sessionHeader, '%CLUSTER_METADATA(mesh:session)%')],
        },
      }),
    },
  }),
}
