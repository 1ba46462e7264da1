import type { Feature } from './feature.ts'
import { seconds } from './proto.ts'

/** Every wait has an end: connecting, request headers, the whole answer (except upgrades and gRPC, which may stream for hours), silence. */
export const timeouts: Feature = {
  manager: ({ settings }) => ({
    requestHeadersTimeout: seconds(settings.requestHeadersTimeout),
    streamIdleTimeout: seconds(settings.streamIdleTimeout),
  }),
  route: ({ streams }, { settings }) => ({ timeout: seconds(streams ? 0 : settings.requestTimeout) }),
  cluster: (_traits, { settings }) => ({ connectTimeout: seconds(settings.connectTimeout) }),
}
