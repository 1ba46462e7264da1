import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { readManifest } from '../src/cli/dev/manifest.ts'
import { checkText } from '../src/mesh/istio/check.ts'
import { root } from './cli/meshctl.ts'

const examples = join(root, 'examples')
const read = (path: string): string => readFileSync(join(examples, path), 'utf8')

test("every rule of the examples is valid; those that only an operator may apply, in the operator's namespace", (t) => {
  const operators = ['bookinfo/rules/catalogue.yaml', 'travels/rules/database.yaml']
  const files = globSync('*/rules/*.yaml', { cwd: examples })
  t.ok(files.length > 15, `${files.length} files`)
  for (const file of files) {
    const errors = (namespace: string) =>
      checkText(read(file), namespace).flatMap(({ findings }) => findings.filter(({ severity }) => severity === 'error'))
    t.same(errors(operators.includes(file) ? 'mesh-system' : 'space'), [], file)
    if (operators.includes(file)) t.not(errors('space').length, 0, `${file} in a space`)
  }
  t.end()
})

test('every app of the manifests has a file to run, and labels by which rules find it', (t) => {
  for (const file of globSync('*/manifest*.yml', { cwd: examples })) {
    for (const { name, path, command, metadata } of readManifest(join(examples, file), {
      'mesh-domain': 'mesh.test',
      database: 'db.test:1',
    }).applications) {
      const [, program = ''] = /^(?:node|python3) (\S+)$/.exec(String(command)) ?? []
      t.ok(program && globSync(program, { cwd: path }).length, `${name} runs ${String(command)}`)
      t.match(metadata, { labels: { app: String, version: String } }, name)
    }
  }
  t.end()
})

test('the examples share mesh.js, of which each has its own copy, to be pushed with its services', (t) => {
  t.equal(read('travels/services/mesh.js'), read('bookinfo/services/mesh.js'))
  t.end()
})
