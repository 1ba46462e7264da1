import { isDeepStrictEqual } from 'node:util'
import { Multimap } from '../../common/multimap.ts'
import type { Resource } from '../../mesh/istio/types.ts'
import { kinds, type Change, type Instance, type Kind, type Process, type Records, type Route } from '../../mesh/records.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { recordFault, type Fault } from './fault.ts'
import { Crowds } from './crowds.ts'
import { Mentions } from './mentions.ts'
import { NameIndex } from './name-index.ts'
import { Sharing } from './sharing.ts'
import { fact, hostsOf, name, namesOf, nameText, recordName, type Name } from '../../mesh/rules/names.ts'

/** What a set of changes touches. */
export interface Touched {
  /** Routes whose own record changed, with their hosts. */
  routes: Map<string, string>
  /** Routes of which an instance or process changed. */
  endpoints: Set<string>
  /** Hosts that a resource names or named, each with the resource's namespace, by its kind. */
  resources: Map<Resource['kind'], Map<string, { host: string; namespace: string }>>
  /** Names of the index, and records, that are not what they were; of processes, instances and routes those that somebody reads. */
  names: Set<string>
}

/** The records in memory, each as it was last good, with the indexes that lead from each to the routes it has an effect on. */
export class Model implements Source {
  /** Records whose newest value cannot be served, by kind and key. */
  readonly faults = new Map<string, Fault>()
  readonly #records: { [K in Kind]: Map<string, Records[K]> } = {
    organization: new Map(),
    space: new Map(),
    app: new Map(),
    process: new Map(),
    instance: new Map(),
    route: new Map(),
    resource: new Map(),
    secret: new Map(),
  }
  readonly #names = new NameIndex()
  /** Name of an external service → the addresses that DNS has for it. */
  readonly #addresses = new Map<string, readonly string[]>()
  /** Process → the routes that send to it. */
  readonly #routes = new Multimap()
  readonly #mentions = new Mentions()
  readonly #crowds = new Crowds()
  #isRead: (name: string) => boolean = () => true
  #sharing: Sharing | undefined

  /** Has the model ask whether a name is read, so that changes of what nobody reads, as of most of 100,000 routes, need not be told. */
  readBy(isRead: (name: string) => boolean): void {
    this.#isRead = isRead
  }

  /** Has the records that are applied from now on share what they have in common, or no longer. */
  share(sharing: boolean): void {
    this.#sharing = sharing ? new Sharing() : undefined
  }

  /** Whether a resource of that kind may name the route; false where none does. */
  mayName(kind: Resource['kind'], route: Route): boolean {
    return this.#mentions.mayName(kind, route, (app) => this.get('app', app))
  }

  get<K extends Kind>(kind: K, key: string): Records[K] | undefined {
    return this.#records[kind].get(key)
  }

  size(kind: Kind): number {
    return this.#records[kind].size
  }

  /** Whether no record was ever taken, or all of them were removed. */
  get empty(): boolean {
    return !this.faults.size && kinds.every((kind) => !this.size(kind))
  }

  /** Keys of the records that have a name of the index. */
  keysOf(name: Name): Iterable<string> {
    return this.#names.get(name)
  }

  addressesOf(name: string): readonly string[] | undefined {
    return this.#addresses.get(name)
  }

  /** Whether a wildcard of the operator's does not shape a host that a route has, or shapes not all that it could. */
  exceeds(wildcard: string, host?: string): boolean {
    return (host === undefined || this.#names.has(name.host(host))) && this.#crowds.exceeds(wildcard, host)
  }

  /** Notes what DNS has for a name of an external service. */
  resolved(host: string, addresses: readonly string[]): Touched {
    this.#addresses.set(host, addresses)
    return { ...nothingTouched(), names: new Set([fact.address(host)]) }
  }

  all<K extends Kind>(kind: K): ReadonlyMap<string, Records[K]> {
    return this.#records[kind]
  }

  /** Applies changes in their order, and adds to `touched` what they touch. Those of unknown kinds, from a newer copilot, are ignored. */
  apply(changes: Iterable<Change>, touched: Touched = nothingTouched()): Touched {
    for (const change of changes) this.#applyOne(change, touched)
    return touched
  }

  /**
   * The changes that make the model's records equal to `records`, of which a later one overrides an earlier, and null takes it
   * back: what is new or different, and what is no longer there.
   */
  difference(records: Change[]): Change[] {
    const wanted = new Map<Kind, Map<string, Change>>()
    for (const record of records) {
      const ofKind = wanted.get(record.kind) ?? new Map<string, Change>()
      if (!ofKind.size) wanted.set(record.kind, ofKind)
      if (record.value === null) ofKind.delete(record.key)
      else ofKind.set(record.key, record)
    }
    const removals = [...this.faults.values()].filter(({ kind, key }) => !wanted.get(kind)?.has(key) && !this.get(kind, key)).map(removalOf)
    for (const kind of kinds) {
      const ofKind = wanted.get(kind)
      for (const [key, value] of this.#records[kind]) {
        const record = ofKind?.get(key)
        if (!record) removals.push(removalOf({ kind, key }))
        else if (isDeepStrictEqual(record.value, value) && !this.faults.has(nameOf({ kind, key }))) ofKind!.delete(key)
      }
    }
    // Additions first, so that nothing is without its successor for a moment.
    return [...[...wanted.values()].flatMap((ofKind) => [...ofKind.values()]), ...removals]
  }

  #applyOne(change: Change, touched: Touched): void {
    const { kind, value } = change
    const records = this.#records[kind] as Map<string, Records[Kind]> | undefined
    if (!records) return
    const reason = recordFault(change)
    if (reason !== undefined) {
      this.faults.set(nameOf(change), { kind, key: change.key, reason })
      return
    }
    this.#sharing?.take(change)
    const { key } = change
    if (this.faults.size) this.faults.delete(nameOf(change))
    const before = records.get(key)
    if (value === null) records.delete(key)
    else records.set(key, value)
    const [had, has] = [before ? namesOf(kind, before) : [], value ? namesOf(kind, value) : []]
    for (const name of had) this.#names.delete(name, key)
    for (const name of has) this.#names.add(name, key)
    for (const seen of [recordName(kind, key), ...had.map(nameText), ...has.map(nameText)])
      if (!manyOf.has(kind) || this.#isRead(seen)) touched.names.add(seen)
    if (kind === 'route') this.#reindexRoute(key, before as Route | undefined, value, touched)
    if (kind === 'instance') {
      const [was, is] = [(before as Instance | undefined)?.process, value?.process]
      for (const process of was === is ? [is] : [was, is]) if (process) this.#touchRoutesOf(process, touched)
    }
    if (kind === 'resource') {
      if (before) this.#mentions.delete(before as Resource)
      if (value) this.#mentions.add(value)
      this.#crowds.write(before as Resource | undefined, value, () => new Set(this.#records.route.values().map(({ host }) => host)))
      for (const resource of [before as Resource | undefined, value]) if (resource) touchResource(resource, touched)
    }
    if (kind === 'process' && (before as Process | undefined)?.instances !== value?.instances) this.#touchRoutesOf(key, touched)
  }

  #reindexRoute(key: string, before: Route | undefined, after: Route | null, touched: Touched): void {
    for (const process of processesOf(before)) this.#routes.delete(process, key)
    for (const process of processesOf(after)) this.#routes.add(process, key)
    const touch = (seen: string): unknown => touched.names.add(seen)
    if (!before && after && isOnly(this.#names.get(name.host(after.host)))) this.#crowds.add(after.host, touch)
    if (before && !after && !this.#names.has(name.host(before.host))) this.#crowds.delete(before.host, touch)
    touched.routes.set(key, (after ?? before)?.host ?? '')
  }

  #touchRoutesOf(process: string, { endpoints }: Touched): void {
    for (const route of this.#routes.get(process)) endpoints.add(route)
  }
}

const isOnly = (keys: Iterable<string>): boolean => [...keys].length === 1

/** Kinds of which there are so many that what nobody reads of them is not told. */
const manyOf = new Set<Kind>(['process', 'instance', 'route'])

export const nothingTouched = (): Touched => ({ routes: new Map(), endpoints: new Set(), resources: new Map(), names: new Set() })

const nameOf = ({ kind, key }: { kind: Kind; key: string }): string => `${kind} ${key}`
const removalOf = ({ kind, key }: { kind: Kind; key: string }): Change => ({ kind, key, value: null })

function touchResource(resource: Resource, { resources }: Touched): void {
  const hosts = resources.get(resource.kind) ?? new Map<string, { host: string; namespace: string }>()
  resources.set(resource.kind, hosts)
  const { namespace } = resource.metadata
  for (const host of hostsOf(resource)) hosts.set(`${namespace} ${host}`, { host, namespace })
}

function processesOf(route: Route | null | undefined): string[] {
  return route?.destinations.flatMap((destination) => destination.processes) ?? []
}
