/** Number of buckets over which the hosts with rules are spread. */
export const buckets = 256

/**
 * The bucket of a host in normal form, 0 to 255: a polynomial hash of its characters. The same in Lua
 * (src/pilot/translate/routing-shape.ts).
 */
export function bucketOf(host: string): number {
  let hash = 0
  for (let i = 0; i < host.length; i++) hash = (hash * 31 + host.charCodeAt(i)) % 65_521
  return hash % buckets
}
