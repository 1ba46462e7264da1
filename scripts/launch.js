// Runs one of the programs under Node 24, whatever Node this is (>= 20). Plain JavaScript.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { node24, root } from './setup.js'

/** Becomes the program at `main`, a path in the checkout: same arguments, terminal, signals and exit code. */
export async function launch(main) {
  const file = join(root, main)
  const node = node24()
  if (node === process.execPath) {
    process.argv[1] = file
    return import(pathToFileURL(file).href)
  }
  const child = spawn(node, [file, ...process.argv.slice(2)], { stdio: 'inherit' })
  // Ctrl-C reaches the child by itself, as a member of the terminal's foreground group.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
