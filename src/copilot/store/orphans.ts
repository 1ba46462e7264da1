import type { DatabaseSync } from 'node:sqlite'
import { systemNamespace } from '../../mesh/istio/kinds.ts'

/** Namespaces in which something was applied and whose space is no more, within one transaction of the writer. */
export class Orphans {
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** Notes which spaces are gone now, forgets those that are back, and tells which have been gone for `patience` milliseconds. */
  gone(patience: number, now = Date.now()): string[] {
    const lost = `
      select namespace from (select namespace from resources where value is not null union select namespace from secrets)
      where namespace <> '${systemNamespace}' and not exists (select 1 from records where kind = 'space' and key = namespace and value is not null)`
    this.#database.exec(`delete from orphans where namespace not in (${lost})`)
    this.#database.prepare(`insert or ignore into orphans (namespace, since) select namespace, ? from (${lost})`).run(now)
    const rows = this.#database.prepare('select namespace from orphans where since <= ? order by namespace').all(now - patience) as {
      namespace: string
    }[]
    return rows.map(({ namespace }) => namespace)
  }
}
