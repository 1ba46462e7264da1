// npm run faults [-- --short] [--only TEXT,…] [--engines NAME,…] …: see docs/reliability.md.
import { parseArgs } from 'node:util'
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../src/common/problem.ts'
import { envoyAbsent, type EngineName } from '../support/mesh.ts'
import { distortedPhases, realPhases } from './phases/index.ts'
import type { Phase, Times } from './phases/phase.ts'
import { DistortedScene, RealScene, type Scene } from './scene.ts'
import type { Tally } from './support/load.ts'

const usage = `Kills, stops and deceives every part of a mesh under load, and counts requests that failed or went to a wrong app.

  npm run faults [-- --short] [--only TEXT,…] [--engines NAME,…] [--apps N] [--rate N] [--routers N] [--keep]

  --short          shorter faults, as CI runs it
  --only TEXT,…    phases whose name contains one of these; also such as are not in the short form
  --engines NAME,… embedded, envoy, or both (both, where there is an Envoy)
  --apps N         apps, of three instances each (80; with --short 60)
  --rate N         requests a second and engine (200)
  --routers N      routers of each engine (2)
  --keep           keeps the folder with logs

  npm run faults -- --only pilot,copilot --engines envoy`

const { values: options } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    apps: { type: 'string' },
    rate: { type: 'string', default: '200' },
    routers: { type: 'string', default: '2' },
    engines: { type: 'string', default: envoyAbsent ? 'embedded' : 'embedded,envoy' },
    keep: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(usage)
  process.exit(0)
}
const { short } = options
const times: Times = short
  ? { away: 2_000, paused: 4_000, lying: 3_000, minutes: 3_000, apps: 12 }
  : { away: 10_000, paused: 30_000, lying: 30_000, minutes: 120_000, apps: 60 }
const returnLimit = 5_000
const selfTestName = 'checker: identity check defeated'
const asked = (name: string): boolean => options.only.split(',').some((text) => name.includes(text))
const results: Result[] = []

interface Result {
  name: string
  seconds: number
  requests: number
  failed: number
  excused: number
  wrong: number
  slowest: number
  /** Milliseconds from the end of the fault until all was as the platform; undefined where it never was. */
  whole: number | undefined
  /** What was wrong. */
  faults: string[]
}

const apps = Number(options.apps ?? (short ? 60 : 80))
const common = {
  rate: Number(options.rate),
  routers: Number(options.routers),
  engines: options.engines.split(',') as EngineName[],
  pace: short ? 150 : 500,
}
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (interrupted = true))
await play(
  distortedPhases,
  () => new DistortedScene({ ...common, apps }),
  async (scene) => {
    if (asked(selfTestName)) await selfTest(scene)
    return `${scene.churn.changes} changes of the platform, ${scene.platform.cells.recycled} ports recycled`
  },
)
await play(realPhases, () => new RealScene({ ...common, apps: Math.min(apps, 4) }))

const failed = results.filter(({ faults }) => faults.length)
const sum = (key: 'requests' | 'wrong') => results.reduce((total, result) => total + result[key], 0)
console.log(`\n${sum('requests')} requests, ${sum('wrong')} answered by a wrong app`)
console.log(`${results.length - failed.length} passed, ${failed.length} failed`)
process.exit(failed.length || interrupted ? 1 : 0)

/** Does the faults that are asked for, one after the other, on a scene of their own; `last` may tell how it went. */
async function play<Where extends Scene>(
  phases: Phase<Where>[],
  build: () => Where,
  last?: (scene: Where) => Promise<string>,
): Promise<void> {
  const wanted = phases.filter(({ name, short: inShort }) => (options.only ? asked(name) : !short || inShort))
  const lastWanted = last && asked(selfTestName)
  if (interrupted || !(wanted.length || lastWanted)) return
  const scene = build()
  await scene.start()
  try {
    for (const phase of wanted) if (!interrupted) await run(scene, phase)
    if (last && !interrupted) console.log(`      ${await last(scene)}`)
  } finally {
    await scene.stop(options.keep)
  }
}

async function run<Where extends Scene>(scene: Where, { name, orderly, run: fault }: Phase<Where>): Promise<void> {
  const began = performance.now()
  const faults: string[] = []
  // What dies by chance may take a request with it.
  if (!orderly) scene.unrest()
  await fault(scene, times).catch((error: unknown) => faults.push(messageOf(error)))
  await scene.rest()
  let whole = await scene.whole(returnLimit)
  if (whole === undefined) {
    const open = await scene.differences()
    faults.push(`not whole within ${returnLimit / 1000} s: ${open.length} routes, such as ${open.slice(0, 3).join(', ')}`)
    whole = await scene.whole(60_000)
    if (whole !== undefined) whole += returnLimit
  }
  const tally = (await Promise.all(scene.loads.map((load) => load.take()))).reduce(add)
  if (tally.failed) faults.push(`${tally.failed} requests failed`)
  if (orderly && tally.excused) faults.push(`${tally.excused} requests failed in what went away in order`)
  if (tally.wrong) faults.push(`${tally.wrong} wrong answers`)
  for (const [reason, count] of [...tally.reasons].slice(0, 8)) faults.push(`${count} × ${reason}`)
  const { requests, failed, excused, wrong, slowest } = tally
  report({ name, seconds: (performance.now() - began) / 1000, requests, failed, excused, wrong, slowest, whole, faults })
}

/** With the identity check defeated and the control plane asleep, recycled ports must lead to wrong apps, and the checker must see it. */
async function selfTest(scene: DistortedScene): Promise<void> {
  const began = performance.now()
  const { cells } = scene.platform
  cells.impersonate = true
  await scene.programs.syncer.signal('SIGSTOP')
  for (let n = 0; n < 40; n++) await scene.churn.crash()
  await delay(3_000)
  await scene.programs.syncer.signal('SIGCONT')
  const { requests, wrong, excused, slowest } = (await Promise.all(scene.loads.map((load) => load.take()))).reduce(add)
  report({
    name: selfTestName,
    seconds: (performance.now() - began) / 1000,
    requests: 0,
    failed: 0,
    excused,
    wrong: 0,
    slowest,
    whole: 0,
    faults: wrong ? [] : [`the checker saw no wrong app in ${requests} requests`],
  })
  console.log(`      it saw ${wrong} of ${requests} answers come from a wrong app`)
}

function report(result: Result): void {
  results.push(result)
  const { name, seconds, requests, failed, excused, wrong, slowest, whole, faults } = result
  const wholeText = whole === undefined ? 'never' : `${(whole / 1000).toFixed(1)} s`
  console.log(
    `${faults.length ? 'FAIL' : 'ok  '}  ${name.padEnd(46)} ${seconds.toFixed(0).padStart(4)} s ${String(requests).padStart(7)} requests, failed ${failed}, excused ${excused}, wrong ${wrong}, slowest ${slowest.toFixed(0)} ms, whole after ${wholeText}`,
  )
  for (const fault of faults) console.log(`      ${fault}`)
}

function add(a: Tally, b: Tally): Tally {
  return {
    requests: a.requests + b.requests,
    failed: a.failed + b.failed,
    wrong: a.wrong + b.wrong,
    excused: a.excused + b.excused,
    reasons: new Map([...a.reasons, ...b.reasons]),
    slowest: Math.max(a.slowest, b.slowest),
  }
}
