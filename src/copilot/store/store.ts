import type { Kind, Records } from '../../mesh/records.ts'

/** The most changes that share one revision; a larger transaction takes several in a row. */
export const changesPerRevision = 1000

/** A record as the store keeps it: its value as canonical JSON, so that equal values are equal text. */
export interface StoredRecord {
  kind: Kind
  key: string
  value: string
}

/** A change of the stored state; `value: null` removes the record. */
export interface StoredChange {
  kind: Kind
  key: string
  value: string | null
}

/** Changes that one revision brought and no later one has replaced since. */
export interface Revision {
  revision: number
  changes: StoredChange[]
}

export interface StoreState {
  /** Names the store's life: another one after a backup was restored. */
  history: string
  /** Of the newest change; 0 before the first. */
  revision: number
  /** How many records there are of each kind. */
  records: Record<Kind, number>
}

export interface StoreHealth {
  /** What failed last, until a change succeeds. */
  failing?: string
  /** Failures since the start, by the problem's code. */
  failures: Record<string, number>
}

export interface SourceState {
  name: string
  epoch: string
  /** When its last full sync was committed, milliseconds since 1970. */
  syncedAt: number
  /** When it last sent anything that was committed, milliseconds since 1970. */
  changedAt: number
}

export interface SyncOutcome {
  revision: number
  added: number
  changed: number
  removed: number
}

/** A full sync under way. Nothing of it shows before `commit`; it ends by `commit` or `discard`. */
export interface Sync {
  stage(records: StoredRecord[]): Promise<void>
  /** Makes the source's records what was staged, in one transaction. */
  commit(): Promise<SyncOutcome>
  /** Forgets what was staged; does nothing after a commit. */
  discard(): Promise<void>
}

/** Which records of a kind are meant; all conditions hold together, a list means any of its values. */
export interface ResourceFilter {
  namespace?: string
  key?: string
  /** In lower case. */
  kind?: string
}

export interface Filter {
  keys?: string[]
  /** Name of an organization, space or app. */
  name?: string
  /** Guid of the organization of a space. */
  organization?: string[]
  /** Guid of the space of an app or route. */
  space?: string[]
  /** Guid of the app of a process, or of one of a route's destinations. */
  app?: string[]
  /** Process guid of an instance. */
  process?: string[]
  /** Host of a route. */
  host?: string | string[]
  /** Domain that a route's host is or ends with. */
  domain?: string
}

export interface Page {
  /** Only records whose key is greater. */
  after?: string
  limit?: number
}

export interface Keyed<K extends Kind> {
  key: string
  value: Records[K]
}

/** A resource as somebody wants it; null removes it. */
export interface ResourceChange {
  /** `resourceKey`. */
  key: string
  namespace: string
  /** The resource as JSON, without generation and createdAt, which the store gives. */
  value: string | null
  /** The version that it must have now; 0 where it must not be there. Any where absent. */
  expected?: number
}

export interface StoredResource {
  key: string
  /** The resource as JSON, whole. */
  value: string
  /** Of its last change; grows with every change of any resource. */
  version: number
}

/** A change of a resource, as watchers are told it. */
export interface ResourceEvent extends Omit<StoredResource, 'value'> {
  /** Null where it was deleted. */
  value: string | null
}

export interface ChangeOptions {
  /** Most resources of one namespace. */
  most: number
  dryRun?: boolean
}

/** What operators have switched on. */
export interface Switch {
  /** `freeze`: nothing that people apply can be changed. `ignore`: what the space of that guid applied is not in force. */
  name: 'freeze' | 'ignore'
  /** Guid of the space; empty for `freeze`. */
  subject: string
  author: string
  /** Since when, milliseconds since 1970. */
  at: number
}

export interface ResourceOutcome {
  key: string
  outcome: 'created' | 'configured' | 'unchanged' | 'deleted'
  version: number
  before?: string
  after?: string
}

/** An accepted state of a resource. */
export interface ResourceVersion {
  generation: number
  value: string
  author: string
  /** Milliseconds since 1970. */
  at: number
}

/** A secret as it is kept: sealed. */
export interface StoredSecret {
  namespace: string
  name: string
  sealed: Uint8Array
  author: string
  /** When it was set, milliseconds since 1970. */
  at: number
}

/** Accepted states of a resource that are kept. */
export const versionsKept = 20

/**
 * Where the desired state is kept. Every method may throw `MESH_STORE_FULL` or `MESH_STORE_FAILED`, after which nothing
 * of the call was applied. A change that leaves a record as it was makes no revision.
 */
export interface Store {
  /** As of the last commit that this process knows of. */
  readonly state: StoreState
  readonly health: StoreHealth
  /** Calls `listener` after every commit that made a revision; returns a function that stops it. */
  onCommit(listener: () => void): () => void

  /** Throws `MESH_EPOCH_SUPERSEDED`. */
  beginSync(source: string, epoch: string): Promise<Sync>
  /** Applies changes in one transaction. A source removes only what it owns. Throws `MESH_EPOCH_UNKNOWN`, `MESH_EPOCH_SUPERSEDED`. */
  change(source: string, epoch: string, changes: StoredChange[]): Promise<{ revision: number }>
  sources(): Promise<SourceState[]>

  /**
   * The revisions after `revision` in order, about `changesPerRevision` changes at once; empty at the newest. A record
   * that has changed again since shows up only under its newest revision. Undefined where removals after `revision` are
   * forgotten already, or there was no such revision: only a snapshot helps.
   */
  changesAfter(revision: number): Promise<Revision[] | undefined>
  /** Records of one kind in key order, as they are stored: those that have not changed after a revision, or those of a source. */
  scan(kind: Kind, of: { upTo: number } | { source: string }, page: Required<Page>): Promise<StoredRecord[]>
  /** Records of one kind in key order. */
  list<K extends Kind>(kind: K, filter: Filter, page?: Page): Promise<Keyed<K>[]>

  /**
   * Makes the changes in one transaction, or with `dryRun` only tells what would come of them. Throws `MESH_VERSION_CONFLICT`,
   * `MESH_FROZEN`, `MESH_TOO_MANY_RESOURCES` where a namespace would have more than `most`.
   */
  changeResources(
    author: string,
    changes: ResourceChange[],
    options: ChangeOptions,
  ): Promise<{ revision: number; outcomes: ResourceOutcome[] }>
  /** Resources in the order of their keys: those of a namespace, or that one, or all. */
  resources(filter: ResourceFilter): Promise<StoredResource[]>
  /** The version of the newest change of any resource. */
  resourceVersion(): Promise<number>
  /**
   * What changed after a version, in order, at most `limit`; undefined where deletions after it are forgotten, or there was no such
   * version.
   */
  resourcesAfter(version: number, limit: number): Promise<ResourceEvent[] | undefined>
  /** The last `versionsKept` accepted states of a resource, the newest first; also of one that was deleted. */
  resourceVersions(key: string): Promise<ResourceVersion[]>

  /** Of the hosts of routes beneath a domain, or of all, the one at a position, counted from 0, by name. */
  hostBeneath(domain: string | undefined, position: number): Promise<string | undefined>
  switches(): Promise<Switch[]>
  /** Turns a switch on or off; false where it already was so. What an ignored space has applied is kept, and told to no pilot. */
  setSwitch(wanted: Pick<Switch, 'name' | 'subject' | 'author'>, on: boolean): Promise<boolean>
  /** Removes what people applied in spaces that have been gone for `patience` milliseconds; tells what it removed. */
  removeOrphans(patience: number): Promise<{ revision: number; removed: string[] }>

  /**
   * Keeps a secret, and its record for pilot in the same transaction. Throws `MESH_TOO_MANY_SECRETS` where the namespace would have more
   * than `most`.
   */
  putSecret(secret: StoredSecret, record: string, most: number): Promise<{ revision: number }>
  /** Keeps another seal of the same content, where it is still sealed as `before`. */
  resealSecret(namespace: string, name: string, before: Uint8Array, after: Uint8Array): Promise<void>
  /** Removes a secret and its record; false where there was none. */
  deleteSecret(namespace: string, name: string): Promise<boolean>
  /** Secrets by namespace and name: those of a namespace, or that one, or all. */
  secrets(filter: { namespace?: string; name?: string }): Promise<StoredSecret[]>
}
