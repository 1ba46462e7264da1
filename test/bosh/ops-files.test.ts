import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { operators } from '../../src/copilot/api/people/auth.ts'
import { seeded } from '../support/seed.ts'
import { jobSpec, root } from './support/jobs.ts'
import { cfDeploymentAbsent, manifestFaults, readManifest, usedVariables, withOpsFiles, type Manifest } from './support/manifests.ts'
import { applyOperations, readOperations, readYaml } from './support/ops.ts'

const files = readdirSync(join(root, 'ops-files')).filter((name) => name.endsWith('.yml'))
const optional = files.filter((name) => name !== 'add-mesh.yml')
const given = ['system_domain', 'mesh_domain', 'mesh_router_tls_keypairs', 'istio_router_static_ips', 'mesh_internal_destinations']
const skip = { skip: cfDeploymentAbsent }

/** Properties that a job of ours is given but does not declare. */
function undeclared(manifest: Manifest): string[] {
  return manifest.instance_groups
    .flatMap(({ jobs }) => jobs)
    .filter(({ release }) => release === 'mesh')
    .flatMap(({ name, properties = {} }) => {
      const declared = Object.keys(jobSpec(name).properties)
      return leaves(properties)
        .filter((path) => !declared.some((known) => known === path || known.startsWith(`${path}.`)))
        .map((path) => `${name}: ${path} is not a property`)
    })
}

function leaves(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path]
  return Object.entries(value).flatMap(([key, child]) => leaves(child, path ? `${path}.${key}` : key))
}

test('every ops-file says what it needs and changes, and is in the index', (t) => {
  const index = readFileSync(join(root, 'ops-files/README.md'), 'utf8')
  for (const file of files) {
    const text = readFileSync(join(root, 'ops-files', file), 'utf8')
    t.match(text, /^---\n# .*\n(#.*\n)*#\n# Needs: /m, `${file} says what it needs`)
    t.match(text, /^# Changes: /m, `${file} says what it changes`)
    t.match(index, `](${file})`, `${file} is in the index`)
  }
  t.end()
})

test('each ops-file applies to cf-deployment', skip, (t) => {
  for (const file of optional) {
    const manifest = withOpsFiles(['add-mesh.yml', file])
    t.same([...manifestFaults(manifest, given), ...undeclared(manifest)], [], file)
  }
  t.same(manifestFaults(withOpsFiles(['add-mesh.yml']), ['system_domain']), [], 'add-mesh.yml needs no other variable')
  t.end()
})

test('every pair of ops-files applies, in both orders', skip, (t) => {
  for (const first of optional) {
    for (const second of optional) {
      if (first === second) continue
      const manifest = withOpsFiles(['add-mesh.yml', first, second])
      t.same([...manifestFaults(manifest, given), ...undeclared(manifest)], [], `${first}, ${second}`)
    }
  }
  t.end()
})

test('all ops-files apply in any order, and give the same', skip, (t) => {
  const { seed, numRuns } = seeded(t, 50)
  const random = generator(seed)
  const commuting = optional.filter((file) => file !== 'mesh-bosh-lite.yml')
  const canonical = canonicalForm(withOpsFiles(['add-mesh.yml', ...commuting]))
  for (let round = 0; round < numRuns; round++) {
    const order = shuffle(optional, random)
    const manifest = withOpsFiles(['add-mesh.yml', ...order])
    t.same([...manifestFaults(manifest, given), ...undeclared(manifest)], [], order.join(', '))
    const without = order.filter((file) => file !== 'mesh-bosh-lite.yml')
    t.same(canonicalForm(withOpsFiles(['add-mesh.yml', ...without])), canonical, without.join(', '))
  }
  t.end()
})

test('the ops-files go with those of cf-deployment', skip, (t) => {
  const theirs = ['use-postgres.yml', 'use-haproxy.yml', 'set-router-static-ips.yml', 'bosh-lite.yml']
  for (const file of theirs) {
    const text = readFileSync(join(root, '../shared/cf-deployment', file), 'utf8')
    const manifest = withOpsFiles(['add-mesh.yml', ...(file === 'bosh-lite.yml' ? ['mesh-bosh-lite.yml'] : [])])
    const both = applyOperations(manifest, readOperations(text)) as Manifest
    t.same(manifestFaults(both, [...given, 'haproxy_private_ip', 'router_static_ips']), [], file)
  }
  t.end()
})

test('UAA has the group of those who run the mesh, and the client of the cf CLI may name it', skip, (t) => {
  const uaa = withOpsFiles(['add-mesh.yml'])
    .instance_groups.find(({ name }) => name === 'uaa')!
    .jobs.find(({ name }) => name === 'uaa')!
  const { scim, clients } = uaa.properties!['uaa'] as {
    scim: { groups: Record<string, string>; users: object[] }
    clients: { cf: { scopes: string[] } }
  }
  t.type(scim.groups['mesh.admin'], 'string')
  t.ok(scim.users.length, 'the users stay')
  t.equal(clients.cf.scopes.filter((scope) => scope === 'mesh.admin').length, 1)
  t.ok(operators.includes('mesh.admin'), 'copilot knows its holders as operators')
  t.end()
})

test('an ops-file without add-mesh.yml is refused', skip, (t) => {
  for (const file of optional) t.throws(() => withOpsFiles([file]), /istio-(router|control)|route-syncer|mesh/, file)
  t.end()
})

test('the checks would find faults', skip, (t) => {
  const manifest = withOpsFiles(['add-mesh.yml'])
  const broken = structuredClone(manifest)
  const group = broken.instance_groups.find(({ name }) => name === 'route-syncer')!
  broken.instance_groups.push(structuredClone(group))
  group.networks = [{ name: 'nowhere' }]
  group.azs = ['z9']
  group.stemcell = 'none'
  group.jobs[0]!.properties = { unknown: '((nobody))' }
  broken.releases = broken.releases.filter(({ name }) => name !== 'mesh')
  broken.variables.push({ name: 'bare', type: 'certificate', options: { ca: 'mesh_pilot_tls' } })
  const faults = [...manifestFaults(broken, given), ...undeclared(broken)].join('\n')
  for (const part of [
    'route-syncer stands twice',
    'no network nowhere',
    'no az z9',
    'no stemcell none',
    '((nobody))',
    'no release mesh',
    'bare: has no alternative names',
    'bare: mesh_pilot_tls is no CA',
    'unknown is not a property',
  ])
    t.match(faults, part)
  t.end()
})

test('the stand-alone manifest is whole, with the variables of its example', (t) => {
  const manifest = readManifest('manifests/mesh.yml')
  const variables = readYaml(readFileSync(join(root, 'manifests/mesh-vars.yml'), 'utf8')) as object
  t.same([...manifestFaults(manifest, Object.keys(variables)), ...undeclared(manifest)], [])
  const used = new Set([...usedVariables(manifest)].map((name) => name.split('.')[0]))
  for (const name of Object.keys(variables)) t.ok(used.has(name), `${name} is used`)
  t.end()
})

test('the ops-files that the index names apply to the stand-alone manifest too', (t) => {
  const named = /To it apply ([^.]|\.yml)*/.exec(readFileSync(join(root, 'ops-files/README.md'), 'utf8'))?.[0] ?? ''
  const base = readManifest('manifests/mesh.yml')
  const variables = Object.keys(readYaml(readFileSync(join(root, 'manifests/mesh-vars.yml'), 'utf8')) as object)
  for (const file of optional) {
    const apply = (): Manifest => applyOperations(base, readOperations(readFileSync(join(root, 'ops-files', file), 'utf8'))) as Manifest
    if (named.includes(`\`${file}\``)) t.same([...manifestFaults(apply(), [...variables, ...given]), ...undeclared(apply())], [], file)
    else t.throws(apply, file)
  }
  t.end()
})

test('the stand-alone manifest and the ops-file give the same jobs', skip, (t) => {
  const alone = readManifest('manifests/mesh.yml').instance_groups
  const added = withOpsFiles(['add-mesh.yml']).instance_groups
  for (const group of alone) {
    const other = added.find(({ name }) => name === group.name)!
    const ours = ({ jobs }: { jobs: { name: string; release: string }[] }): string[] =>
      jobs.filter(({ release }) => release === 'mesh').map(({ name }) => name)
    t.same(ours(group), ours(other), group.name)
    t.equal(group.instances, other.instances)
  }
  t.end()
})

/** The same whatever the order of lists that ops-files append to. */
function canonicalForm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonicalForm).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, child]) => [key, canonicalForm(child)])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  )
}

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function shuffle<Item>(items: Item[], random: () => number): Item[] {
  const left = [...items]
  return items.map(() => left.splice(Math.floor(random() * left.length), 1)[0]!)
}
