// Writes docs/configuration.md from the programs' configuration schemas: npm run docs.
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { configurationDocs } from '../test/support/configuration-docs.ts'

writeFileSync(resolve(import.meta.dirname, '../docs/configuration.md'), configurationDocs())
