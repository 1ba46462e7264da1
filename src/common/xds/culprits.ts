import type { Refusal, Resource } from './resources.ts'

const listed = /Error adding\/updating (?:cluster|listener)\(s\) /

/**
 * The resources that Envoy's NACK names: `Error adding/updating cluster(s) NAME: REASON, NAME: REASON`
 * (source/common/upstream/cds_api_helper.cc, lds_api.cc). Envoy has then applied the others of that message. Empty for every other message.
 */
export function namedCulprits(message: string, resources: Resource[]): Refusal[] {
  const start = listed.exec(message)
  if (!start) return []
  const list = message.slice(start.index + start[0].length)
  return resources
    .map((resource) => ({ resource, at: position(list, resource.name) }))
    .filter(({ at }) => at >= 0)
    .sort((one, other) => one.at - other.at)
    .map(({ resource: { typeUrl, name, version }, at }, index, all) => ({
      typeUrl,
      name,
      version,
      reason: list
        .slice(at + name.length + 2, all[index + 1]?.at)
        .replace(/,\s*$/, '')
        .trim(),
    }))
}

/** Where the list has an entry of that name: at its beginning, or after `, `; -1 without one. */
function position(list: string, name: string): number {
  const entry = `${name}: `
  if (list.startsWith(entry)) return 0
  for (const separator of [', ', '\n']) {
    const at = list.indexOf(separator + entry)
    if (at >= 0) return at + separator.length
  }
  return -1
}
