import { PreviousPrioritiesConfigSchema } from '../../../common/proto/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.js'
import { hostPicks, previousHosts } from '../retries.ts'
import { duration, packed } from '../proto.ts'
import type { RuleFeature } from './feature.ts'

/** Istio's default (pilot/pkg/networking/core/route/retry): twice more, and only where the app has not begun to answer. */
const usual = { attempts: 2, retryOn: 'connect-failure,refused-stream,unavailable,cancelled,reset-before-request' }

const previousPriorities = {
  name: 'envoy.retry_priorities.previous_priorities',
  configType: { case: 'typedConfig' as const, value: packed(PreviousPrioritiesConfigSchema, { updateFrequency: 2 }) },
}

/** Tries again, on an instance that was not asked. Istio: VirtualService http[].retries; no attempts are none at all. */
export const ruleRetries: RuleFeature = {
  action({ route: { retries } }) {
    if (retries && !retries.attempts) return {}
    const { retryOn, codes } = conditions(retries?.retryOn || usual.retryOn)
    return {
      retryPolicy: {
        retryOn,
        retriableStatusCodes: codes,
        numRetries: retries?.attempts ?? usual.attempts,
        ...(retries?.perTryTimeout ? { perTryTimeout: duration(retries.perTryTimeout) } : {}),
        ...(retries?.retryIgnorePreviousHosts === false
          ? {}
          : { retryHostPredicate: [previousHosts], hostSelectionRetryMaxAttempts: hostPicks }),
        ...(retries?.retryRemoteLocalities ? { retryPriority: previousPriorities } : {}),
        ...(retries?.backoff ? { retryBackOff: { baseInterval: duration(retries.backoff) } } : {}),
      },
    }
  },
}

/** Conditions by name, and status codes, which may stand among them. */
function conditions(written: string): { retryOn: string; codes: number[] } {
  const words = written
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean)
  const codes = words.filter((word) => /^\d{3}$/.test(word)).map(Number)
  const names = words.filter((word) => !/^\d{3}$/.test(word))
  return {
    retryOn: [...names, ...(codes.length && !names.includes('retriable-status-codes') ? ['retriable-status-codes'] : [])].join(','),
    codes,
  }
}
