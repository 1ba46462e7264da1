// The process of one container: `main.ts FOLDER`. It owns the app and its TLS ports, so that both outlive the foundation that started it,
// and the next one finds them at the socket `control`. See contract.ts. Without a foundation for longer than the handover, it ends.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { noteGroup } from '../../../common/process-group.ts'
import { type ContainerSpec, controlSocket, type Order, pidFiles, specFile } from './contract.ts'
import { Control } from './control.ts'
import { Instance } from './instance.ts'

/** How long the foundation that started it may take to connect. */
const firstContactMs = 10_000

const folder = process.argv[2] ?? '.'
const spec = JSON.parse(readFileSync(join(folder, specFile), 'utf8')) as ContainerSpec
noteGroup(join(folder, pidFiles.container), process.pid)
// By its bare name, since a Unix socket's path may have 107 bytes at most.
process.chdir(folder)

const instance: Instance = new Instance(folder, spec, { changed: () => control.tell(), log: (line) => control.log(line) })
const orders: Record<Order, () => void> = { stop, renew: () => instance.renew() }
const control: Control = new Control({
  socket: controlSocket,
  state: () => instance.state,
  met: () => clearInterval(waiting),
  alone: () => waitFor(spec.handoverMs),
  order: (order) => orders[order](),
})

let waiting: NodeJS.Timeout | undefined
function waitFor(limitMs: number): void {
  const deadline = Date.now() + limitMs
  const look = (): void => {
    if (Date.now() >= deadline || !existsSync(specFile)) stop()
  }
  look()
  waiting = setInterval(look, 500)
}

let stopping = false
function stop(): void {
  if (stopping) return
  stopping = true
  void instance
    .stop()
    .then(() => control.stop())
    .then(() => process.exit(0))
}

process.once('SIGTERM', stop)
await control.start()
waitFor(Math.max(spec.handoverMs, firstContactMs))
await instance.run()
