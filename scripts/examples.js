// npm run examples [-- bookinfo|travels] [--engine embedded|envoy]: runs the walk-throughs of examples/, each against an `npm start` of its
// own in a temporary folder, and ends with "N passed, N failed". Without an engine, on both where Envoy is there.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { node24, root, setUp } from './setup.js'

const known = ['bookinfo', 'travels']
const engines = ['embedded', 'envoy']
const { values, positionals } = parseArgs({ allowPositionals: true, options: { engine: { type: 'string' } } })
const wrong = positionals.find((name) => !known.includes(name)) ?? (engines.includes(values.engine ?? 'envoy') ? undefined : values.engine)
if (wrong !== undefined) {
  console.error(
    `${wrong} is none of ${[...known, ...engines].join(', ')}. Usage: npm run examples -- [bookinfo|travels] [--engine embedded|envoy]`,
  )
  process.exit(2)
}

setUp()
const counts = { passed: 0, failed: 0 }
const hasEnvoy = existsSync(join(root, 'vendor/envoy'))
if (!values.engine && !hasEnvoy) console.log('skipped: the envoy engine; get it with npm run envoy')

/** What runs at the moment. When this ends early, so do they; what they were about to say counts no more. */
const running = []
let stopped = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    stopped = true
    for (const child of running) child.kill('SIGTERM')
  })
}

for (const engine of values.engine ? [values.engine] : engines.filter((engine) => engine !== 'envoy' || hasEnvoy)) {
  for (const example of positionals.length ? positionals : known) if (!stopped) await walk(example, engine)
}
console.log(`${counts.passed} passed, ${counts.failed} failed`)
process.exit(counts.failed ? 1 : 0)

/** Runs one walk-through against an `npm start` of its own. */
async function walk(example, engine) {
  const data = mkdtempSync(join(tmpdir(), `mesh-${example}-`))
  const options = ['--data', data, '--engine', engine, '--no-sample', '--http-port', '0', '--https-port', '0', '--cc-port', '0']
  const start = spawn(node24(), [join(root, 'src/start/main.ts'), ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  running.push(start)
  let said = ''
  start.stdout.on('data', (text) => (said += text))
  try {
    await isReady(start, data)
    const script = join(root, 'examples', example, 'walkthrough.js')
    const walkthrough = spawn(process.execPath, [script], {
      env: { ...process.env, MESH_DATA: data },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    running.push(walkthrough)
    let output = ''
    walkthrough.stdout.on('data', (text) => {
      output += text
      process.stdout.write(text)
    })
    await once(walkthrough, 'close')
    count(example, output)
  } catch (error) {
    console.log(`${error.message}\n${said}`)
    counts.failed++
  } finally {
    start.kill('SIGTERM')
    if (start.exitCode === null && start.signalCode === null) await once(start, 'exit')
    rmSync(data, { recursive: true, force: true })
    running.length = 0
  }
}

async function isReady(start, data) {
  for (const end = Date.now() + 120_000; Date.now() < end; await delay(100)) {
    if (existsSync(join(data, 'ready.json'))) return readFileSync(join(data, 'ready.json'))
    if (start.exitCode !== null) throw new Error('npm start ended')
  }
  throw new Error('npm start does not become ready')
}

/** A walk-through that says nothing at its end has failed. */
function count(example, output) {
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? []
  counts.passed += Number(passed ?? 0)
  counts.failed += Number(failed ?? 1)
  if (passed === undefined) console.log(`the walk-through of ${example} broke off`)
}
