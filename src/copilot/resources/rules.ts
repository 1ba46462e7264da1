import { systemNamespace } from '../../mesh/istio/kinds.ts'
import type { Resource } from '../../mesh/istio/types.ts'
import type { Change, Route } from '../../mesh/records.ts'
import { externalHost } from '../../mesh/rules/external.ts'
import { recordSource } from '../../mesh/rules/record-source.ts'
import type { Source } from '../../mesh/rules/source.ts'
import type { Store } from '../store/store.ts'
import { unique } from '../views/related.ts'

/** The space, or the operator's namespace, whose ServiceEntry names a host outside for all apps. */
export async function entryNamespace(store: Store, host: string): Promise<string | undefined> {
  const ignored = await ignoredSpaces(store)
  const entries = (await store.resources({})).filter(({ key }) => key.startsWith('serviceentry/')).map(({ key, value }): Change => ({ kind: 'resource', key, value: JSON.parse(value) as Resource }))
  const seen = entries.filter(({ key }) => !ignored.has(key.split('/')[1]!))
  return externalHost(recordSource(seen), host)?.route.space
}

const ignoredSpaces = async (store: Store): Promise<Set<string>> => new Set((await store.switches()).filter(({ name }) => name === 'ignore').map(({ subject }) => subject))

/** What the rules of a route are read from: the resources of its space and of the operator that are in force, and what their names mean. */
export async function loadRules(store: Store, route: Pick<Route, 'space'>): Promise<Source> {
  const ignored = await ignoredSpaces(store)
  const namespaces = unique([systemNamespace, route.space]).filter((namespace) => !ignored.has(namespace))
  const resources = (await Promise.all(namespaces.map((namespace) => store.resources({ namespace })))).flat()
  const spaces = await store.list('space', { keys: [route.space] })
  const organizations = await store.list('organization', { keys: spaces.map(({ value }) => value.organization) })
  const apps = await store.list('app', { space: [route.space] })
  const records: Change[] = [
    ...organizations.map(({ key, value }) => ({ kind: 'organization' as const, key, value })),
    ...spaces.map(({ key, value }) => ({ kind: 'space' as const, key, value })),
    ...apps.map(({ key, value }) => ({ kind: 'app' as const, key, value })),
    ...resources.map(({ key, value }) => ({ kind: 'resource' as const, key, value: JSON.parse(value) as Resource })),
  ]
  return recordSource(records)
}
