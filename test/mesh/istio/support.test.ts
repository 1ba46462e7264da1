import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'tap'
import { resourcesTable } from '../../support/resources-table.ts'
import { leaves, specs } from '../../../src/mesh/istio/fields.ts'
import { resourceKinds } from '../../../src/mesh/istio/kinds.ts'
import { simplify, support, supportOf } from '../../../src/mesh/istio/support.ts'

test('every field of every kind is supported, ignored with a reason, or refused with one', (t) => {
  for (const kind of resourceKinds) {
    for (const [path] of leaves(specs[kind])) t.ok(supportOf(kind, path), `${kind} ${path}`)
  }
  t.end()
})

test('the table names no field that does not exist, and gives each one fate', (t) => {
  for (const kind of resourceKinds) {
    const known = new Set([...leaves(specs[kind])].map(([path]) => simplify(path)))
    for (const [path, { engines, refused, ignored }] of Object.entries(support[kind])) {
      t.ok(known.has(path), `${kind} ${path}`)
      t.equal(engines.length > 0, !refused && !ignored, `${kind} ${path}`)
    }
  }
  t.end()
})

test('docs/resources-table.md is up to date (npm run docs)', (t) => {
  t.equal(readFileSync(resolve(import.meta.dirname, '../../../docs/resources-table.md'), 'utf8'), resourcesTable())
  t.end()
})
