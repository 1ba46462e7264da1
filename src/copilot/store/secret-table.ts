import type { DatabaseSync } from 'node:sqlite'
import { TooManySecrets } from '../problems.ts'
import type { StoredSecret } from './store.ts'

/** Secrets as they are sealed, within one transaction of the writer. */
export class SecretTable {
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** Throws `MESH_TOO_MANY_SECRETS` where the namespace would have more than `most`. */
  put({ namespace, name, sealed, author, at }: StoredSecret, most: number): void {
    this.#database
      .prepare(
        `insert into secrets (namespace, name, sealed, author, updated_at) values (?, ?, ?, ?, ?)
         on conflict (namespace, name) do update set sealed = excluded.sealed, author = excluded.author, updated_at = excluded.updated_at`,
      )
      .run(namespace, name, sealed, author, at)
    const { n } = this.#database.prepare('select count(*) as n from secrets where namespace = ?').get(namespace) as { n: number }
    if (n > most) throw TooManySecrets(namespace, n, most)
  }

  /** Takes another seal of the same content, where nobody wrote meanwhile. */
  reseal(namespace: string, name: string, before: Uint8Array, after: Uint8Array): void {
    this.#database
      .prepare('update secrets set sealed = ? where namespace = ? and name = ? and sealed = ?')
      .run(after, namespace, name, before)
  }

  /** Removes those of a namespace; tells which, as `NAMESPACE/NAME`. */
  deleteAll(namespace: string): string[] {
    const rows = this.#database.prepare('delete from secrets where namespace = ? returning name').all(namespace) as { name: string }[]
    return rows.map(({ name }) => `${namespace}/${name}`)
  }

  /** False where there was none. */
  delete(namespace: string, name: string): boolean {
    return this.#database.prepare('delete from secrets where namespace = ? and name = ?').run(namespace, name).changes > 0
  }
}
