import type { Feature } from './feature.ts'
import { duration } from './proto.ts'

/** Every wait has an end: connecting, request headers, the whole answer (except upgrades and gRPC, which may stream for hours), silence. */
export const timeouts: Feature = {
  manager: ({ settings }) => ({
    requestHeadersTimeout: duration(settings.requestHeadersTimeout),
    streamIdleTimeout: duration(settings.streamIdleTimeout),
  }),
  route: ({ streams }, { settings }) => ({ timeout: duration(streams ? '0s' : settings.requestTimeout) }),
  cluster: ({ policy }, { settings }) => ({
    connectTimeout: duration(policy?.connectionPool?.tcp?.connectTimeout ?? settings.connectTimeout),
  }),
}
