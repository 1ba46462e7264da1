import type { Kind } from '../../mesh/records.ts'
import type { Filter, Keyed, Store } from '../store/store.ts'

/** A thing of the platform, with its name where Cloud Controller has told it. */
export interface Named {
  guid: string
  name?: string
}

/** The records that a page of others refers to, read at once. */
export class Related {
  readonly #store: Store
  readonly #records = new Map<Kind, Map<string, unknown>>()

  constructor(store: Store) {
    this.#store = store
  }

  async add<K extends Kind>(kind: K, filter: Filter): Promise<Keyed<K>[]> {
    const found = await this.#store.list(kind, filter)
    const known = this.#of(kind)
    for (const { key, value } of found) known.set(key, value)
    return found
  }

  /** Spaces and their organizations. */
  async addSpaces(guids: Iterable<string>): Promise<void> {
    const spaces = await this.add('space', { keys: unique(guids) })
    await this.add('organization', { keys: unique(spaces.map(({ value }) => value.organization)) })
  }

  get<K extends Kind>(kind: K, key: string): Keyed<K>['value'] | undefined {
    return this.#of(kind).get(key) as Keyed<K>['value'] | undefined
  }

  named(kind: 'organization' | 'space' | 'app', guid: string): Named {
    return { guid, name: this.get(kind, guid)?.name }
  }

  /** A space with its organization, as every view shows them. */
  owner(space: string): { space: Named; organization?: Named } {
    const organization = this.get('space', space)?.organization
    return { space: this.named('space', space), ...(organization && { organization: this.named('organization', organization) }) }
  }

  #of(kind: Kind): Map<string, unknown> {
    let records = this.#records.get(kind)
    if (!records) this.#records.set(kind, (records = new Map()))
    return records
  }
}

export const unique = (guids: Iterable<string>): string[] => [...new Set(guids)]
