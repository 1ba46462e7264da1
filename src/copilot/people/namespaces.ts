import { systemNamespace } from '../../mesh/istio/kinds.ts'
import { NameUnknown, SpaceAmbiguous } from '../problems.ts'
import type { Store } from '../store/store.ts'
import type { Caller } from './caller.ts'

/**
 * The namespace that people write as the guid or name of a space, as `ORGANIZATION/SPACE`, or as the operator's own; a space that is gone
 * is still known by its guid as long as anything is left of it. Of several spaces of one name, those count that the caller may read. Throws
 * `MESH_NAME_UNKNOWN`, `MESH_SPACE_AMBIGUOUS`.
 */
export async function resolveNamespace(store: Store, written: string, caller: Caller): Promise<string> {
  if (written === systemNamespace) return written
  const [byGuid] = await store.list('space', { keys: [written] })
  if (byGuid) return byGuid.key
  const found = await named(store, written)
  if (!found.length && (await isLeft(store, written))) return written
  if (!found.length) throw NameUnknown('space', written)
  const seen = found.length === 1 ? found : await readable(found, caller)
  if (seen.length > 1) throw SpaceAmbiguous(written, seen)
  return seen[0] ?? found[0]!
}

/** Whether a space that is gone has left rules or secrets. */
async function isLeft(store: Store, namespace: string): Promise<boolean> {
  return (await store.resources({ namespace })).length > 0 || (await store.secrets({ namespace })).length > 0
}

/** The name of a space's organization, where it is suspended. */
export async function suspendedOrganization(store: Store, space: string): Promise<string | undefined> {
  const [found] = await store.list('space', { keys: [space] })
  const [organization] = found ? await store.list('organization', { keys: [found.value.organization] }) : []
  return organization?.value.suspended ? organization.value.name : undefined
}

async function named(store: Store, written: string): Promise<string[]> {
  const whole = (await store.list('space', { name: written })).map(({ key }) => key)
  const slash = written.indexOf('/')
  if (whole.length || slash < 1) return whole
  const organizations = (await store.list('organization', { name: written.slice(0, slash) })).map(({ key }) => key)
  return (await store.list('space', { name: written.slice(slash + 1), organization: organizations })).map(({ key }) => key)
}

async function readable(spaces: string[], caller: Caller): Promise<string[]> {
  const may = await Promise.all(spaces.map((space) => caller.mayRead(space)))
  return spaces.filter((_space, position) => may[position])
}
