import type { Change } from '../../mesh/records.ts'
import type { Model } from '../model.ts'

const prefix = 'seed:'

/** Whether a route came from copilot without Cloud Controller's guid. */
export function seeded(guid: string): boolean {
  return guid.startsWith(prefix)
}

/**
 * Takes in what copilot still has from an earlier run of a syncer, as if Cloud Controller had said it before anything else:
 * weights, labels, the routes of stopped apps. Whatever either source says itself is newer.
 */
export async function seedFrom(records: AsyncIterable<Change>, { cloud }: Model): Promise<number> {
  let count = 0
  for await (const { kind, key, value } of records) {
    count++
    if (!value) continue
    if (kind === 'organization') cloud.organizations.set(key, value)
    else if (kind === 'space') cloud.spaces.set(key, value)
    else if (kind === 'app') cloud.apps.set(key, { ...value, started: true })
    else if (kind === 'process') cloud.setWanted(value.app, value.type, value.instances)
    else if (kind === 'route') {
      const { exposure, space, labels, options, path } = value
      const domain = prefix + exposure
      cloud.domains.set(domain, exposure === 'int')
      const mappings = value.destinations.map(({ app, type, port, protocol, weight }) => ({
        app,
        type,
        port,
        protocol,
        ...(weight && { weight }),
      }))
      cloud.putRoute({
        host: value.mirrors ?? value.host,
        path,
        guid: value.guid ?? prefix + key,
        space,
        domain,
        created: 0,
        labels,
        options,
        mappings,
        at: 0,
      })
    }
  }
  return count
}
