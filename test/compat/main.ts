// npm run compat [-- java|python …]: drives `npm start` with Cloud Foundry's own client libraries; see docs/compatibility.md.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { messageOf } from '../../src/common/problem.ts'
import { Started } from '../support/started.ts'
import { java } from './java.ts'
import { python } from './python.ts'
import type { Result } from './suite.ts'

const suites = { java, python }
const asked = process.argv.slice(2)
for (const name of asked)
  if (!Object.hasOwn(suites, name)) throw new Error(`There is no suite "${name}"; there are ${Object.keys(suites).join(', ')}.`)

const work = mkdtempSync(join(tmpdir(), 'mesh-compat-'))
const started = new Started()
const results: Result[] = []
try {
  const { urls, credentials, organization, space, domains, caFile } = (await started.ready()).info
  const environment = {
    MESH_CC_URL: urls.cloudControllerTls,
    MESH_CC_USER: credentials.user,
    MESH_CC_PASSWORD: credentials.password,
    MESH_CA_FILE: caFile,
    MESH_ORGANIZATION: organization,
    MESH_SPACE: space,
    MESH_APPS_DOMAIN: domains.apps,
    MESH_DOMAIN: domains.mesh,
    MESH_ROUTER_PORT: String(started.router.http),
    MESH_SAMPLE: resolve(import.meta.dirname, '../../examples/hello'),
  }
  for (const [name, run] of Object.entries(suites)) {
    if (asked.length && !asked.includes(name)) continue
    console.log(`--- ${name}`)
    results.push(await run({ environment, work }).catch((error: unknown) => ({ passed: 0, failed: 1, reason: messageOf(error) })))
    const { reason } = results.at(-1)!
    if (reason) console.log(reason)
  }
} finally {
  await started.discard()
  rmSync(work, { recursive: true, force: true })
}

const sum = (key: 'passed' | 'failed'): number => results.reduce((total, result) => total + result[key], 0)
console.log(`${sum('passed')} passed, ${sum('failed')} failed`)
process.exitCode = sum('failed') ? 1 : 0
