import { systemNamespace } from '../../mesh/istio/kinds.ts'
import type { Resource } from '../../mesh/istio/types.ts'
import type { Change, Route } from '../../mesh/records.ts'
import { answers } from '../../mesh/rules/audience.ts'
import { externalHosts, type ExternalHost } from '../../mesh/rules/external.ts'
import { mostBeneath, wildcardsOf } from '../../mesh/rules/hosts.ts'
import { hostsOf } from '../../mesh/rules/names.ts'
import { recordSource } from '../../mesh/rules/record-source.ts'
import type { Source } from '../../mesh/rules/source.ts'
import type { Store } from '../store/store.ts'
import { unique } from '../views/related.ts'

/** The space, or the operator's namespace, whose ServiceEntry of a host outside is met by apps of `space`, or by callers of none. */
export async function entryNamespace(store: Store, host: string, space: string | undefined): Promise<string | undefined> {
  const ignored = await ignoredSpaces(store)
  const entries = (await store.resources({ kind: 'serviceentry' })).map(({ key, value }) => ({ key, value: JSON.parse(value) as Resource }))
  const seen = entries.filter(({ value: { metadata } }) => !ignored.has(metadata.namespace))
  const spaces = await store.list('space', { keys: unique(seen.map(({ value: { metadata } }) => metadata.namespace)) })
  const records: Change[] = [
    ...spaces.map(({ key, value }) => ({ kind: 'space' as const, key, value })),
    ...seen.map(({ key, value }) => ({ kind: 'resource' as const, key, value })),
  ]
  return externalFor(recordSource(records), host, space)?.route.space
}

/** A host outside as apps of `space`, or callers of none, meet it. */
export const externalFor = (view: Source, host: string, space: string | undefined): ExternalHost | undefined =>
  externalHosts(view, host).find(({ audience }) => answers(audience, space))

/** The namespaces whose rules an operator has ignored. */
export const ignoredSpaces = async (store: Store): Promise<Set<string>> =>
  new Set((await store.switches()).filter(({ name }) => name === 'ignore').map(({ subject }) => subject))

/** What the rules of a route are read from: the resources of its space and of the operator that are in force, and what their names mean. */
export async function loadRules(store: Store, route: Pick<Route, 'space'> & Partial<Pick<Route, 'host'>>): Promise<Source> {
  const ignored = await ignoredSpaces(store)
  const namespaces = unique([systemNamespace, route.space]).filter((namespace) => !ignored.has(namespace))
  const stored = (await Promise.all(namespaces.map((namespace) => store.resources({ namespace })))).flat()
  const resources = stored.map(({ key, value }) => ({ kind: 'resource' as const, key, value: JSON.parse(value) as Resource }))
  const spaces = await store.list('space', { keys: [route.space] })
  const organizations = await store.list('organization', { keys: spaces.map(({ value }) => value.organization) })
  const apps = await store.list('app', { space: [route.space] })
  const records: Change[] = [
    ...organizations.map(({ key, value }) => ({ kind: 'organization' as const, key, value })),
    ...spaces.map(({ key, value }) => ({ kind: 'space' as const, key, value })),
    ...apps.map(({ key, value }) => ({ kind: 'app' as const, key, value })),
    ...resources,
  ]
  return recordSource(
    records,
    await exceeded(
      store,
      resources.map(({ value }) => value),
      route.host,
    ),
  )
}

/** The wildcards of the operator's that do not shape a host, since they have too many before it. */
async function exceeded(store: Store, resources: Resource[], host: string | undefined): Promise<Set<string>> {
  const wildcards = new Set<string>()
  if (host === undefined) return wildcards
  const own = resources.filter(({ metadata }) => metadata.namespace === systemNamespace)
  for (const wildcard of unique(own.flatMap(hostsOf)).filter((one) => wildcardsOf(host).includes(one))) {
    const first = await store.hostBeneath(wildcard === '*' ? undefined : wildcard.slice(2), mostBeneath)
    if (first !== undefined && host >= first) wildcards.add(wildcard)
  }
  return wildcards
}
