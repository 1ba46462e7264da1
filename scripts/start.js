// npm start: sets up, then runs src/start/main.ts under Node 24 in the foreground.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { node24, root, setUp } from './setup.js'

setUp()
const child = spawn(node24(), [join(root, 'src/start/main.ts'), ...process.argv.slice(2)], { stdio: 'inherit' })
// Ctrl-C reaches the whole foreground group; waiting for the child lets it stop everything in order.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
child.on('exit', (code, signal) => process.exit(signal ? 1 : code))
