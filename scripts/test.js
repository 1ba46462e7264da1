// npm test [-- FILE…]: sets up, runs the tests with tap, and ends with "N passed, N failed". npm run slow runs what needs a machine for
// itself, one file after the other.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { node24, root, setUp } from './setup.js'

setUp()
const args = process.argv.slice(2)
const golden = args.includes('--golden')
const slow = args.includes('--slow')
const files = args.filter((arg) => !arg.startsWith('--'))
const results = mkdtempSync(join(tmpdir(), 'mesh-test-'))
const report = join(results, 'report.tap')

const tap = spawnSync(
  node24(),
  [join(root, 'node_modules/tap/dist/esm/run.mjs'), `--reporter=${process.stdout.isTTY ? 'base' : 'min'}`, `--output-file=${report}`, ...(slow ? ['--jobs=1', '--timeout=1800'] : []), ...chosen()],
  // Where CI is set, tap's reporters say nothing of what failed.
  { cwd: root, stdio: 'inherit', env: { ...process.env, CI: 'false', ...(golden ? { MESH_GOLDEN: '1' } : {}) } },
)

function chosen() {
  if (golden) return ['test/pilot/translate/golden.test.ts']
  return slow && !files.length ? readdirSync(join(root, 'test'), { recursive: true }).filter((file) => file.endsWith('.slow.ts')).map((file) => join('test', file)) : files
}

// A file's tests stand one level in; below them are their assertions.
const lines = readFileSync(report, 'utf8').split('\n')
rmSync(results, { recursive: true })
const tests = lines.filter((line) => /^ {4}(not )?ok \d/.test(line))
const skipped = tests.filter((line) => / # SKIP/i.test(line))
const failed = tests.filter((line) => line.startsWith('    not ok') && !/ # (SKIP|TODO)/i.test(line))
const broken = lines.filter((line) => /^not ok \d/.test(line)).length

for (const reason of new Set(skipped.map((line) => line.split(/# SKIP:?/i)[1]?.trim() || 'no reason'))) {
  console.log(`skipped: ${reason} (${skipped.filter((line) => line.includes(reason)).length})`)
}
for (const line of failed) console.log(`failed: ${line.split(' - ').slice(1).join(' - ')}`)
let failures = failed.length || broken

// The conformance cases are called "ENGINE: BEHAVIOUR"; where Envoy is asked for, each must have run on both engines.
const ran = (engine) => tests.filter((line) => line.includes(` - ${engine}: `) && !skipped.includes(line)).length
console.log(`conformance cases: ${ran('embedded')} embedded, ${ran('envoy')} envoy; ${ran('envoy alone')} of what only Envoy does`)
if (process.env.MESH_REQUIRE_ENVOY && ran('embedded') !== ran('envoy')) {
  console.log('not every case ran on both engines')
  failures++
}
console.log(`${tests.length - skipped.length - failed.length} passed, ${failures} failed${skipped.length ? `, ${skipped.length} skipped` : ''}`)
process.exit(tap.status || (failures ? 1 : 0))
