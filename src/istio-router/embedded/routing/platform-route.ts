import { findRoute } from '../../../mesh/matching.ts'
import { normalizeHost } from '../../../mesh/host.ts'
import { splitTarget } from '../../../mesh/path.ts'
import type { Exposure } from '../../../mesh/records.ts'
import type { Exchange } from '../exchange.ts'

const prefix = 'mesh.platform-route/'

/**
 * Finds the cluster of the most specific platform route; in Envoy the Lua cluster specifier of the same name does so. Undefined for an
 * extension that is not this one.
 */
export function platformRoute(extension: string): ((exchange: Exchange) => string | undefined) | undefined {
  if (!extension.startsWith(prefix)) return undefined
  const exposure = extension.slice(prefix.length) as Exposure
  return ({ authority, path, clusters }) =>
    findRoute(exposure, normalizeHost(authority), splitTarget(path).path, (key) => clusters.has(key))
}
