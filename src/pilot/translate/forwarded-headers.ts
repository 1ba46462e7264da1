import type { Feature } from './feature.ts'

/**
 * `X-Forwarded-For` and `-Proto`: believed as far as `trustedHops` proxies stand before this listener, else made anew from the
 * connection. The request id is always ours, and no address counts as internal, so that nobody is trusted by where they sit.
 */
export const forwardedHeaders: Feature = {
  manager: ({ trustedHops }) => ({ useRemoteAddress: true, xffNumTrustedHops: trustedHops, internalAddressConfig: {}, generateRequestId: true }),
}
