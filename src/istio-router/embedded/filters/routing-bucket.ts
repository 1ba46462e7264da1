import { bucketOf } from '../../../mesh/bucket.ts'
import { normalizeHost } from '../../../mesh/host.ts'
import type { FilterType } from './filter.ts'

const bucketHeader = 'x-mesh-bucket'

/**
 * Names the bucket of the request's host, by which its route configuration is found; the exposure stands behind the slash of the filter's
 * name. In Envoy it is a Lua filter.
 */
export const routingBucket: FilterType = {
  name: 'mesh.routing-bucket',
  compile(_config, _path, name) {
    const exposure = name.slice(name.indexOf('/') + 1)
    return {
      request(headers, { authority }) {
        headers.set(bucketHeader, `${exposure}/${bucketOf(normalizeHost(authority))}`)
        return true
      },
    }
  },
}
