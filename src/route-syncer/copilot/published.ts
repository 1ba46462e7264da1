import { isDeepStrictEqual } from 'node:util'
import { kinds, type Change, type Kind, type Records } from '../../mesh/records.ts'

/** The records copilot is to have, and who is told when one changes. */
export class Published {
  readonly #records = Object.fromEntries(kinds.map((kind) => [kind, new Map()])) as { [K in Kind]: Map<string, Records[K]> }
  readonly #listener: (change: Change) => void

  constructor(listener: (change: Change) => void) {
    this.#listener = listener
  }

  get<K extends Kind>(kind: K, key: string): Records[K] | undefined {
    return this.#records[kind].get(key)
  }

  count(kind: Kind): number {
    return this.#records[kind].size
  }

  /** Sets or, with null, removes a record; what changes nothing tells nobody. */
  set<K extends Kind>(kind: K, key: string, value: Records[K] | null): void {
    const records = this.#records[kind]
    const known = records.get(key)
    if (value === null ? known === undefined : isDeepStrictEqual(known, value)) return
    if (value === null) records.delete(key)
    else records.set(key, value)
    this.#listener({ kind, key, value } as Change)
  }

  /** Every record as the change that would bring it. */
  *all(): Generator<Change> {
    for (const kind of kinds) for (const [key, value] of this.#records[kind]) yield { kind, key, value } as Change
  }
}
