import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'tap'
import { checkText } from '../../../src/mesh/istio/check.ts'

const shared = resolve(import.meta.dirname, '../../../../shared')
const absent = existsSync(shared) ? false : '../shared is not here'
const verdicts = readFileSync(resolve(import.meta.dirname, 'verdicts.txt'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split(' '))

test("each of Istio's own samples has its verdict", { skip: absent }, (t) => {
  for (const [file, documents] of Map.groupBy(verdicts, ([file]) => file!)) {
    const checked = checkText(readFileSync(resolve(shared, 'istio', file), 'utf8'), 'mesh-system')
    t.equal(checked.length, documents.length, file)
    for (const [, position, kind, verdict, codes = ''] of documents) {
      const { findings, resource, kind: found } = checked[Number(position)]!
      const errors = [...new Set(findings.filter(({ severity }) => severity === 'error').map(({ code }) => code))].sort()
      t.strictSame([found ?? '-', resource ? 'accepted' : 'refused', errors.join()], [kind, verdict, codes], `${file} ${position}`)
    }
  }
  t.end()
})

test("seed 004's resources work as printed, with warnings for what is spelt oddly", { skip: absent }, (t) => {
  const seed = readFileSync(resolve(shared, 'seeds/004_1e91520d08919d94.txt'), 'utf8')
  const blocks = [...seed.matchAll(/```\n(apiVersion[^]*?)```/g)].map(([, yaml]) => checkText(yaml!, 'mesh-system')[0]!)
  t.equal(blocks.length, 5)
  for (const { kind, name, resource, findings } of blocks) t.ok(resource, `${kind} ${name}: ${JSON.stringify(findings)}`)
  t.match(blocks[0]!.resource, { apiVersion: 'networking.istio.io/v1', spec: { selector: { istio: 'ingressgateway' } } })
  t.ok(blocks[0]!.findings.filter(({ code }) => code === 'MESH_SPELLING').length === 2)
  t.ok(blocks[4]!.findings.some(({ path, severity }) => path.endsWith('maxRetries') && severity === 'warning'))
  t.end()
})

test("seed 003's resources of the mesh's operator are refused by name, with what to do instead", { skip: absent }, (t) => {
  const seed = readFileSync(resolve(shared, 'seeds/003_2d8d17ba6d75be15.txt'), 'utf8')
  const found = [...seed.matchAll(/kind: (ServiceMesh\w+)/g)].map(
    ([, kind]) => checkText(`apiVersion: maistra.io/v1\nkind: ${kind}\nmetadata: {name: x}`, 'mesh-system')[0]!,
  )
  t.equal(found.length, 2)
  for (const { kind, findings } of found)
    t.match(findings, [{ code: 'MESH_KIND_REFUSED', message: /BOSH|every organization and space belongs/ }], String(kind))
  t.end()
})
