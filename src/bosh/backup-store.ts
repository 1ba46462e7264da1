// backup-store STORE COPY: copies copilot's database while it is in use. The copy has no history: what it is restored to begins one.
import { chmodSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

const [store, copy] = process.argv.slice(2)
if (!store || !copy) {
  process.stderr.write('usage: backup-store STORE COPY\n')
  process.exit(2)
}

rmSync(copy, { force: true })
const source = new DatabaseSync(store, { readOnly: true, timeout: 60_000 })
source.prepare('vacuum into ?').run(copy)
source.close()
chmodSync(copy, 0o600)

const target = new DatabaseSync(copy)
target.exec('update store set history = null')
target.close()
