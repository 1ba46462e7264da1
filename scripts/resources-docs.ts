// Writes docs/resources-table.md from the table of support: npm run docs.
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { resourcesTable } from '../test/support/resources-table.ts'

writeFileSync(resolve(import.meta.dirname, '../docs/resources-table.md'), resourcesTable())
