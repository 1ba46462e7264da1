import { HeaderValueOption_HeaderAppendAction as Append } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import type { Feature } from './feature.ts'

const appendAddress = {
  header: { key: 'X-Forwarded-For', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' },
  appendAction: Append.APPEND_IF_EXISTS_OR_ADD,
}

/**
 * `X-Forwarded-For` and `-Proto`: believed as far as `trustedHops` proxies stand before this listener, else made anew from the
 * connection. The request id is always ours, and no address counts as internal, so that nobody is trusted by where they sit.
 * Without trusted hops the address is appended here, since Envoy would write the machine's own for a client on loopback.
 */
export const forwardedHeaders: Feature = {
  manager: ({ trustedHops }) => ({
    useRemoteAddress: true,
    xffNumTrustedHops: trustedHops,
    skipXffAppend: trustedHops === 0,
    internalAddressConfig: {},
    generateRequestId: true,
  }),
  early: ({ trustedHops }) => (trustedHops === 0 ? [{ action: { case: 'append', value: appendAddress } }] : []),
}
