import { callers } from './callers.ts'
import { cors } from './cors.ts'
import { destinations } from './destinations.ts'
import { directResponse } from './direct-response.ts'
import { fault } from './fault.ts'
import type { RuleFeature } from './feature.ts'
import { globalRateLimit } from './global-rate-limit.ts'
import { headerOperations } from './header-operations.ts'
import { limitSizes } from './limit-sizes.ts'
import { match } from './match.ts'
import { mirrors } from './mirrors.ts'
import { rateLimit } from './rate-limit.ts'
import { redirect } from './redirect.ts'
import { ruleRetries } from './retries.ts'
import { rewrite } from './rewrite.ts'
import { timeout } from './timeout.ts'

/** Everything that a rule can ask for; the order is that of the filters. */
export const ruleFeatures: RuleFeature[] = [
  match,
  callers,
  rateLimit,
  limitSizes,
  globalRateLimit,
  redirect,
  directResponse,
  destinations,
  cors,
  fault,
  rewrite,
  timeout,
  ruleRetries,
  mirrors,
  headerOperations,
]
