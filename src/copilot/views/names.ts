import type { Caller } from '../people/caller.ts'
import { NameUnknown } from '../problems.ts'
import type { Filter, Store } from '../store/store.ts'

/** Who is meant, each by name or guid. */
export interface Scope {
  organization?: string
  space?: string
  app?: string
}

/**
 * The guids that a scope means, as a filter of apps or routes. A name may mean several (a space of that name in each of two
 * organizations); of them those that the caller may read. Throws `MESH_NAME_UNKNOWN` where one means nothing.
 */
export async function resolveScope(
  store: Store,
  { organization, space, app }: Scope,
  caller: Caller,
): Promise<Pick<Filter, 'space' | 'app'>> {
  const organizations = organization === undefined ? undefined : await guids(store, 'organization', organization, {})
  const within = organizations && { organization: organizations }
  const named =
    space === undefined
      ? within && (await store.list('space', within)).map(({ key }) => key)
      : await guids(store, 'space', space, { ...within })
  const sight = await caller.readable()
  const spaces = sight ? (named ?? [...sight]).filter((guid) => sight.has(guid)) : named
  const inSpaces = spaces && { space: spaces }
  const apps = app === undefined ? undefined : await guids(store, 'app', app, { ...inSpaces })
  return { ...inSpaces, ...(apps && { app: apps }) }
}

async function guids(store: Store, kind: 'organization' | 'space' | 'app', nameOrGuid: string, within: Filter): Promise<string[]> {
  const found = await store.list(kind, { ...within, keys: [nameOrGuid] })
  if (!found.length) found.push(...(await store.list(kind, { ...within, name: nameOrGuid })))
  if (!found.length) throw NameUnknown(kind, nameOrGuid)
  return found.map(({ key }) => key)
}
