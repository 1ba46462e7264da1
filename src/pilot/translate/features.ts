import { accessLog } from './access-log.ts'
import { appHeaders } from './app-headers.ts'
import { arrival } from './arrival.ts'
import { circuitBreakers } from './circuit-breakers.ts'
import type { Feature } from './feature.ts'
import { forwardedHeaders } from './forwarded-headers.ts'
import { healthChecks } from './health-checks.ts'
import { loadBalancing } from './load-balancing.ts'
import { loading } from './loading.ts'
import { localReplies } from './local-replies.ts'
import { outlierDetection } from './outlier-detection.ts'
import { namedInstances } from './named-instances.ts'
import { paths } from './paths.ts'
import { platformRoute } from './platform-route.ts'
import { protocols } from './protocols.ts'
import { requestHygiene } from './request-hygiene.ts'
import { retries } from './retries.ts'
import { routingShape } from './routing-shape.ts'
import { stickySessions } from './sticky-sessions.ts'
import { b3TraceHeaders, clientTraceHeaders, plainTraceHeaders, w3cTraceHeaders } from './trace-headers.ts'
import { timeouts } from './timeouts.ts'
import { upgrades } from './upgrades.ts'
import { upstreamTls } from './upstream-tls.ts'

/** Every feature; the order is that of their filters. */
export const features: Feature[] = [
  routingShape,
  loading,
  requestHygiene,
  arrival,
  forwardedHeaders,
  paths,
  protocols,
  upgrades,
  clientTraceHeaders,
  b3TraceHeaders,
  w3cTraceHeaders,
  plainTraceHeaders,
  platformRoute,
  retries,
  timeouts,
  loadBalancing,
  circuitBreakers,
  outlierDetection,
  healthChecks,
  upstreamTls,
  appHeaders,
  localReplies,
  accessLog,
  stickySessions,
  namedInstances,
]
