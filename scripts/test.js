// npm test [-- FILE…] [--again]: sets up, runs the tests with tap, and ends with "N passed, N failed". npm run slow runs what needs a
// machine for itself, one file after the other. --again, as in CI, has files that fail run once more, and tells what failed at first.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { node24, root, setUp } from './setup.js'

setUp()
const args = process.argv.slice(2)
const golden = args.includes('--golden')
const slow = args.includes('--slow')
const named = args.filter((arg) => !arg.startsWith('--'))
let status = 0

const results = run(chosen())
const broken = () => [...results].filter(([, { passed }]) => !passed).map(([file]) => file)
const lines = () => [...results.values()].flatMap(({ tests }) => tests)
const skippedOf = (tests) => tests.filter((line) => / # SKIP/i.test(line))
const failedOf = (tests) => tests.filter((line) => line.startsWith('    not ok') && !/ # (SKIP|TODO)/i.test(line))
const tell = (what) => failedOf(lines()).forEach((line) => console.log(`${what}: ${line.split(' - ').slice(1).join(' - ')}`))
if (args.includes('--again') && broken().length) {
  tell('failed at first')
  for (const [file, result] of run(broken())) results.set(file, result)
}

/** Runs test files; what each came to: its tests, which stand one level in, and whether it passed. */
function run(files) {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-test-'))
  const report = join(folder, 'report.tap')
  const tap = spawnSync(
    node24(),
    [
      join(root, 'node_modules/tap/dist/esm/run.mjs'),
      `--reporter=${process.stdout.isTTY ? 'base' : 'min'}`,
      `--output-file=${report}`,
      ...(slow ? ['--jobs=1', '--timeout=1800'] : []),
      ...files,
    ],
    // Where CI is set, tap's reporters say nothing of what failed.
    { cwd: root, stdio: 'inherit', env: { ...process.env, CI: 'false', ...(golden ? { MESH_GOLDEN: '1' } : {}) } },
  )
  status = tap.status ?? 1
  const found = new Map()
  let tests = []
  for (const line of readFileSync(report, 'utf8').split('\n')) {
    if (/^ {4}(not )?ok \d/.test(line)) tests.push(line)
    const [, not, file] = /^(not )?ok \d+ - (\S+)/.exec(line) ?? []
    if (!file) continue
    found.set(file, { tests, passed: !not })
    tests = []
  }
  rmSync(folder, { recursive: true })
  return found
}

function chosen() {
  if (golden) return ['test/pilot/translate/golden.test.ts']
  return slow && !named.length
    ? readdirSync(join(root, 'test'), { recursive: true })
        .filter((file) => file.endsWith('.slow.ts'))
        .map((file) => join('test', file))
    : named
}

const [tests, skipped, failed] = [lines(), skippedOf(lines()), failedOf(lines())]
for (const reason of new Set(skipped.map((line) => line.split(/# SKIP:?/i)[1]?.trim() || 'no reason'))) {
  console.log(`skipped: ${reason} (${skipped.filter((line) => line.includes(reason)).length})`)
}
tell('failed')
let failures = failed.length || broken().length

// The conformance cases are called "ENGINE: BEHAVIOUR"; where Envoy is asked for, each must have run on both engines.
const ran = (engine) => tests.filter((line) => line.includes(` - ${engine}: `) && !skipped.includes(line)).length
console.log(`conformance cases: ${ran('embedded')} embedded, ${ran('envoy')} envoy; ${ran('envoy alone')} of what only Envoy does`)
if (process.env.MESH_REQUIRE_ENVOY && ran('embedded') !== ran('envoy')) {
  console.log('not every case ran on both engines')
  failures++
}
console.log(
  `${tests.length - skipped.length - failed.length} passed, ${failures} failed${skipped.length ? `, ${skipped.length} skipped` : ''}`,
)
process.exit(status || (failures ? 1 : 0))
