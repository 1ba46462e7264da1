import { PreviousHostsPredicateSchema } from '../../common/proto/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js'
import type { Feature } from './feature.ts'
import { duration, packed } from './proto.ts'

/** While nothing was sent, any request can go to another instance. */
const nothingSent = 'connect-failure,refused-stream'

/** Leaves out the instances that were tried. */
export const previousHosts = {
  name: 'envoy.retry_host_predicates.previous_hosts',
  configType: { case: 'typedConfig' as const, value: packed(PreviousHostsPredicateSchema, {}) },
}

/** How often Envoy picks again when it has picked one that was tried; after that it takes what it has. */
export const hostPicks = 20n

/** Tries another instance when one fails before it has answered; one that was tried is left out as long as there is another. */
export const retries: Feature = {
  route: ({ name }, { settings }) => ({
    retryPolicy: {
      retryOn: name === 'idempotent' ? `${nothingSent},reset` : nothingSent,
      numRetries: settings.attempts - 1,
      retryHostPredicate: [previousHosts],
      hostSelectionRetryMaxAttempts: hostPicks,
      retryBackOff: { baseInterval: duration('5ms'), maxInterval: duration('50ms') },
    },
  }),
}
