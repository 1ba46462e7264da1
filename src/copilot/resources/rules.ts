import { systemNamespace } from '../../mesh/istio/kinds.ts'
import type { Resource } from '../../mesh/istio/types.ts'
import type { Change, Route } from '../../mesh/records.ts'
import { recordSource } from '../../mesh/rules/record-source.ts'
import type { Source } from '../../mesh/rules/source.ts'
import type { Store } from '../store/store.ts'
import { unique } from '../views/related.ts'

/** What the rules of a route are read from: the resources of its space and of the operator that are in force, and what their names mean. */
export async function loadRules(store: Store, route: Route): Promise<Source> {
  const ignored = new Set((await store.switches()).filter(({ name }) => name === 'ignore').map(({ subject }) => subject))
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
