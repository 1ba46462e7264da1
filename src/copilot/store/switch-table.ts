import type { DatabaseSync } from 'node:sqlite'
import { Frozen } from '../problems.ts'
import type { Switch } from './store.ts'

/** What operators have switched on, within one transaction of the writer. */
export class SwitchTable {
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** False where it already was so. */
  set({ name, subject, author }: Pick<Switch, 'name' | 'subject' | 'author'>, on: boolean): boolean {
    const { changes } = on
      ? this.#database
          .prepare('insert or ignore into switches (name, subject, author, at) values (?, ?, ?, ?)')
          .run(name, subject, author, Date.now())
      : this.#database.prepare('delete from switches where name = ? and subject = ?').run(name, subject)
    return changes > 0
  }

  isOn(name: Switch['name'], subject = ''): boolean {
    return this.#find(name, subject) !== undefined
  }

  /** Throws `MESH_FROZEN`. */
  refuseFrozen(): void {
    const frozen = this.#find('freeze', '')
    if (frozen) throw Frozen(frozen.author, new Date(frozen.at).toISOString())
  }

  #find(name: Switch['name'], subject: string): Switch | undefined {
    return this.#database.prepare('select name, subject, author, at from switches where name = ? and subject = ?').get(name, subject) as
      Switch | undefined
  }
}
