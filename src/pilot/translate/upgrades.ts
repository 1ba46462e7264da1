import { HeaderMutationSchema } from '../../common/proto/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js'
import type { Feature } from './feature.ts'
import { allOf, not, onlyWhere, requestHeader } from './only-where.ts'
import { packed } from './proto.ts'

const filterName = 'mesh.websocket-key'

/** 16 bytes in Base64, as RFC 6455 §4.1 wants them; digits and hex digits are Base64 as well. */
const key = '%START_TIME(%s%6f)%%REQ(X-REQUEST-ID):5%A=='

/**
 * WebSocket, over HTTP/1.1 and, by extended CONNECT (RFC 8441), over HTTP/2. There a client sends no `Sec-WebSocket-Key`, without which
 * an app that is spoken to in HTTP/1.1 refuses the handshake.
 */
export const upgrades: Feature = {
  manager: () => ({ upgradeConfigs: [{ upgradeType: 'websocket' }] }),
  filter: () =>
    onlyWhere(
      filterName,
      allOf(requestHeader('upgrade', '(?i)websocket'), not(requestHeader('sec-websocket-key'))),
      packed(HeaderMutationSchema, {
        mutations: { requestMutations: [{ action: { case: 'append', value: { header: { key: 'Sec-WebSocket-Key', value: key } } } }] },
      }),
    ),
  plain: () => ({ filter: filterName, headers: [] }),
}
