import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'tap'
import { configurationDocs } from './support/configuration-docs.ts'

test('docs/configuration.md is what the schemas say (npm run docs)', (t) => {
  t.equal(readFileSync(resolve(import.meta.dirname, '../docs/configuration.md'), 'utf8'), configurationDocs())
  t.end()
})
