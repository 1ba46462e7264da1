import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { Copilot } from '../copilot/harness.ts'
import { hello } from '../copilot/records.ts'
import { meshctl as run } from './meshctl.ts'

const copilot = await Copilot.start(tap)
await copilot.put('e1', hello)
const folder = mkdtempSync(join(tmpdir(), 'mesh-cli-'))
tap.teardown(() => rmSync(folder, { recursive: true }))
const meshctl = (...args: string[]) => run(args, { MESH_API: copilot.api, MESH_NAMESPACE: 'dev' })

function file(name: string, weights: number[], timeout = '1s'): string {
  const path = join(folder, name)
  const route = weights.map((weight) => `\n        - {destination: {host: hello}, weight: ${weight}}`).join('')
  writeFileSync(path, `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: canary\nspec:\n  hosts: [hello.mesh.test]\n  http:\n    - timeout: ${timeout}\n      route:${route}\n`)
  return path
}

test('apply, get, history, rollback, wait, delete', async (t) => {
  t.match(await meshctl('apply', '-f', file('a.yaml', [90, 10])), { code: 0, out: 'virtualservice/space/canary created\n' })
  t.match(await meshctl('apply', '-f', file('a.yaml', [90, 10])), { code: 0, out: /unchanged/ })
  t.match(await meshctl('apply', '-f', file('a.yaml', [50, 50])), { code: 0, out: /configured/ })
  t.match(await meshctl('get', 'vs,dr'), { code: 0, out: /vs\/canary +2 +True +Unknown +False/ })
  t.match(await meshctl('get', 'vs', 'canary', '-o', 'yaml'), { code: 0, out: /generation: 2[^]*weight: 50/ })
  t.match(await meshctl('history', 'vs/canary'), { code: 0, out: / 2 [^]*\n +1 / })
  t.match(await meshctl('rollback', 'vs/canary', '--to', '1'), { code: 0, out: /configured/ })
  t.match(await meshctl('wait', 'vs/canary', '--timeout', '1ms'), { code: 1, err: /not programmed after 1ms: no pilot/ })
  t.match(await meshctl('delete', 'vs/canary'), { code: 0, out: /deleted/ })
  t.match(await meshctl('get', 'vs'), { code: 0, out: 'no resources\n' })
})

test('every error is told with file, line, field and what to write', async (t) => {
  const { code, err } = await meshctl('validate', '-f', file('wrong.yaml', [90, -10], '0.5ms'))
  t.equal(code, 1)
  t.match(err, /wrong\.yaml:8: spec\.http\[0\]\.timeout: 0\.5ms is shorter than a millisecond; write at least 1ms/)
  t.match(err, /wrong\.yaml:11: spec\.http\[0\]\.route\[1\]\.weight: -10 is below 0/)
  t.match(await meshctl('get', 'nonsense'), { code: 2 })
  t.match(await meshctl('delete', 'canary'), { code: 2, err: /KIND\/NAME/ })
})

test('explain', async (t) => {
  t.match(await meshctl('explain', 'virtualservice.spec.http.retries'), { code: 0, out: /perTryTimeout <string>/ })
  t.match(await meshctl('explain', 'vs.http.retrys'), { code: 2, err: /did you mean retries/ })
})
