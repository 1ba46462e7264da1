// npm run fuzz [-- PART…] [--short] [--seed N] [--cases N] [--seconds N]: see docs/hostile-input.md.
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/common/problem.ts'
import { bbsEvents } from './bbs-events.ts'
import { bbsLists } from './bbs-lists.ts'
import { cloudController } from './cloud-controller.ts'
import { copilotStream } from './copilot-stream.ts'
import { http1 } from './http1.ts'
import { http2Floods } from './http2-floods.ts'
import { http2Requests } from './http2-requests.ts'
import { platformValues } from './platform-values.ts'
import { slowClients } from './slow-clients.ts'
import { smuggling } from './smuggling.ts'
import { Run, type Part } from './support/run.ts'
import { xdsRequests } from './xds-requests.ts'

const all: Part[] = [
  bbsLists,
  bbsEvents,
  cloudController,
  platformValues,
  copilotStream,
  xdsRequests,
  http1,
  smuggling,
  http2Requests,
  http2Floods,
  slowClients,
]
const usage = `Feeds hostile input to whatever reads from a socket.

  npm run fuzz [-- PART…] [--short] [--seed N] [--cases N] [--seconds N]

  PART         ${all.map(({ name, what }) => `${name.padEnd(18)}${what}`).join('\n               ')}
  --short      only the cases, without the time in which memory is judged
  --seed N     the seed of an earlier run, to have its cases again
  --cases N    cases of each part at least (10000)
  --seconds N  time of each part at least (120; with --short 0)`

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    cases: { type: 'string', default: '10000' },
    seconds: { type: 'string' },
  },
})
const unknown = names.filter((name) => !all.some((part) => part.name === name))
if (options.help || unknown.length) {
  console.log(unknown.length ? `There is no part ${unknown.join(', ')}.\n\n${usage}` : usage)
  process.exit(options.help ? 0 : 2)
}

const budget = { cases: Number(options.cases), seconds: Number(options.seconds ?? (options.short ? 0 : 120)), seed: Number(options.seed) }
let current: Run | undefined
// What nobody awaits is as much a fault as what a part sees.
for (const event of ['uncaughtException', 'unhandledRejection'] as const)
  process.on(event, (error) => current?.fault(`${event}: ${error instanceof Error ? error.stack : String(error)}`))

let [passed, failed] = [0, 0]
for (const part of all.filter(({ name }) => !names.length || names.includes(name))) {
  const run = (current = new Run(budget))
  console.log(`${part.name}: seed ${budget.seed} …`)
  try {
    await part.run(run)
  } catch (error) {
    run.fault(messageOf(error))
  }
  const faults = run.end()
  console.log(`  ${run.summary()}`)
  for (const fault of faults) console.log(`  FAILED ${fault}`)
  if (faults.length) failed++
  else passed++
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
