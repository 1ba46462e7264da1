import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'tap'

const src = resolve(import.meta.dirname, '../src')

/** Which folders of src/ each one may import from, besides itself. Programs never import each other. */
const allowed: Record<string, string[]> = {
  common: [],
  mesh: [],
  platform: ['common', 'mesh'],
  'route-syncer': ['common', 'mesh', 'platform'],
  copilot: ['common', 'mesh', 'platform'],
  pilot: ['common', 'mesh'],
  'istio-router': ['common', 'mesh'],
  foundation: ['common'],
  cli: ['common', 'mesh'],
  start: ['common', 'cli'],
  'smoke-tests': ['common', 'cli'],
  bosh: [],
}

test('imports point one way', (t) => {
  for (const file of globSync('**/*.ts', { cwd: src, exclude: (name) => name.includes('proto/gen') })) {
    const [folder = ''] = file.split('/')
    const rights = allowed[folder]
    if (!rights) {
      t.fail(`src/${folder} is not in the table of folders`)
      continue
    }
    for (const [, target = ''] of readFileSync(join(src, file), 'utf8').matchAll(/^(?:import|export) [^'"]*from '(\.[^']+)'/gm)) {
      const [other = ''] = relative(src, resolve(src, dirname(file), target)).split('/')
      if (other !== folder && !rights.includes(other)) t.fail(`src/${file} imports ${target}`)
    }
  }
  t.pass('checked')
  t.end()
})
