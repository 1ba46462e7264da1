import type { Actor } from '../store/rows.ts'
import type { Store } from '../store/store.ts'

/** How many events are kept; the oldest go, many at once. */
const capacity = 50_000
const batch = 1000

export interface Target {
  guid: string
  type: string
  name: string
}

/** Writes an audit event, as part of the running transaction. `where` is the space it belongs to, or only the organization. */
export function audit(
  store: Store,
  type: string,
  actor: Actor,
  target: Target,
  where: { space?: string | null; organization?: string | null },
  data: Record<string, unknown> = {},
): void {
  const organization = where.organization ?? store.spaces.get(where.space)?.organization ?? null
  store.events.insert({ type, actor, target, data, space: where.space ?? null, organization })
  if (store.events.size < capacity + batch) return
  for (const { guid } of store.events.values().take(batch)) store.events.remove(guid)
}
