import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'tap'
import { leaves, specs } from '../../src/mesh/istio/fields.ts'
import { resourceKinds } from '../../src/mesh/istio/kinds.ts'
import { supportOf } from '../../src/mesh/istio/support.ts'
import { elsewhere, proofs, registered } from '../support/fields.ts'

// The behaviours are only named here, not run.
process.env['MESH_BEHAVIOURS'] = '(?!)'
const { behaviours } = await import('../support/conformance.ts')
await import('./conformance.test.ts')
await import('./rules.slow.ts')

/** Each field that is done, with the engines that do it. */
const supported = new Map(
  resourceKinds.flatMap((kind) =>
    [...leaves(specs[kind])].flatMap(([path]) => {
      const { engines = [] } = supportOf(kind, path) ?? {}
      return engines.map((engine) => [`${kind} ${registered(path)} ${engine}`, { field: `${kind} ${registered(path)}`, engine }] as const)
    }),
  ),
)

test('every supported field has a behaviour with real sockets on every engine that supports it', (t) => {
  const runsOn = (behaviour: string, engine: string): boolean => [undefined, engine].includes(behaviours.get(behaviour)?.only)
  const unproven = [...supported.values()].filter(({ field, engine }) => !proofs.get(field)?.some((behaviour) => runsOn(behaviour, engine)))
  t.same(
    unproven.filter(({ field }) => !elsewhere.has(field)).map(({ field, engine }) => `${field} on ${engine}`),
    [],
    'write a behaviour, and name it in test/conformance/fields.yaml',
  )
  t.end()
})

test('the register names fields and behaviours that there are', (t) => {
  const fields = new Set<string>([...supported.values()].map(({ field }) => field))
  for (const [field, named] of proofs) {
    t.ok(fields.has(field), `${field} is supported`)
    for (const behaviour of named) t.ok(behaviours.has(behaviour), `${field}: ${behaviour}`)
  }
  for (const [field, { file, says }] of elsewhere)
    t.ok(
      fields.has(field) && readFileSync(resolve(import.meta.dirname, '../..', file), 'utf8').includes(says),
      `${field}: ${file} says ${says}`,
    )
  t.end()
})
