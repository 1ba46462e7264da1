import type { Kind, Records } from '../records.ts'
import type { Name } from './names.ts'

/** What rules are read from: a record, or the keys of those that have a name (names.ts). */
export interface Source {
  get<K extends Kind>(kind: K, key: string): Records[K] | undefined
  keysOf(name: Name): Iterable<string>
  /** What the name of an external service leads to; undefined while that is not known. */
  addressesOf(name: string): readonly string[] | undefined
  /**
   * Whether a wildcard of the operator's has more hosts beneath it than it can shape, and `host`, where one is given, is one that it does
   * not.
   */
  exceeds(wildcard: string, host?: string): boolean
}
