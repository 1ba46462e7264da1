import { test } from 'tap'
import { readConfig } from '../../src/common/config.ts'
import { CopilotConfig } from '../../src/copilot/config.ts'
import { RouterConfig } from '../../src/istio-router/config.ts'
import { PilotConfig } from '../../src/pilot/config.ts'
import { RouteSyncerConfig } from '../../src/route-syncer/config.ts'
import { SmokeTestsConfig } from '../../src/smoke-tests/config.ts'
import { jobNames, jobSpec, renderJobs, rubyAbsent } from '../bosh/support/jobs.ts'
import { cfDeploymentAbsent, readManifest, withOpsFiles, type InstanceGroup, type Job, type Manifest } from '../bosh/support/manifests.ts'
import { Prefix } from '../bosh/support/prefix.ts'
import { certificate, minimal } from '../bosh/support/properties.ts'
import { applyChanges, type Values } from './support/ops-manager.ts'
import { everything, required, tile } from './support/tile.ts'

const opsFiles = [
  'add-mesh.yml',
  'mesh-domain.yml',
  'mesh-router-tls-keypairs.yml',
  'mesh-router-static-ips.yml',
  'mesh-mirror-apps-domain.yml',
  'mesh-routing-buckets.yml',
]
const beside = ['bpm', 'bosh-dns-aliases']

/** Where the tile differs from the ops-files, and why. */
const differences: Record<string, Record<string, unknown>> = {
  // Its Cloud Controller is in another deployment, whose links it does not rely on.
  'route-syncer': { 'cloud_controller.url': 'https://cloud-controller-ng.service.cf.internal:9024', 'cloud_controller.ca': '((…))' },
  // The tile cannot know a client of the product cf that may push apps, so an operator makes one.
  'smoke-tests': { client: 'mesh_smoke_tests' },
}

/** The leaves of a job's properties by path, without those that are the job's defaults anyway. What only a deployment knows is ((…)). */
function leaves({ name, release, properties = {} }: Job): Record<string, unknown> {
  const specified = release === 'mesh' ? jobSpec(name).properties : {}
  const walk = (value: unknown, path: string): [string, unknown][] => {
    // A certificate of CredHub stands for its parts.
    if (path.endsWith('tls') && typeof value === 'string') return walk({ ca: value, certificate: value, private_key: value }, path)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return Object.entries(value).flatMap(([key, child]) => walk(child, path ? `${path}.${key}` : key))
    if (value === null || JSON.stringify(value) === JSON.stringify(specified[path]?.default)) return []
    return [[path, JSON.parse(JSON.stringify(value).replaceAll(/(\(\([^()]+\)\))+/g, '((…))')) as unknown]]
  }
  return Object.fromEntries(walk(properties, ''))
}

/** Jobs by group and name, with their leaves. Names of groups have dashes in manifests, underscores in tiles. */
function jobsOf(groups: InstanceGroup[]): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    groups.flatMap((group) => group.jobs.map((job) => [`${group.name.replaceAll('_', '-')}/${job.name}`, leaves(job)])),
  )
}

function byOpsFiles(): Manifest {
  const manifest = JSON.stringify(withOpsFiles(opsFiles)).replaceAll(
    '"((mesh_router_tls_keypairs))"',
    '[{"name":"default","certificate":"((a))","private_key":"((b))"}]',
  )
  return JSON.parse(manifest) as Manifest
}

test('the tile and the ops-files give the same jobs and properties', { skip: cfDeploymentAbsent }, (t) => {
  const own = byOpsFiles().instance_groups.filter(({ jobs }) => jobs.some(({ release }) => release === 'mesh'))
  const groups = applyChanges(tile(), {
    ...required,
    '.properties.mirror': 'Enabled',
    '.istio_router.static_ips': '10.0.4.10,10.0.4.11',
    '.properties.routing_shape': 'buckets',
  })
  const wanted = jobsOf(own)
  for (const [key, leaves] of Object.entries(wanted)) Object.assign(leaves, differences[key.split('/')[1] ?? ''])
  const found = jobsOf(groups.map((group) => ({ ...group, jobs: group.jobs.filter(({ name }) => !beside.includes(name)) })))
  t.same(found, wanted)
  const shape = (groups: InstanceGroup[]): object[] =>
    groups
      .map(({ name, instances, lifecycle }) => ({ name: name.replaceAll('_', '-'), instances, lifecycle }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  t.same(shape(groups), shape(own))
  t.end()
})

test('the tile and the ops-files make the same certificates and passwords', { skip: cfDeploymentAbsent }, (t) => {
  const ours = byOpsFiles().variables.filter(
    ({ name, type }) => name.startsWith('mesh_') && type === 'certificate' && name !== 'mesh_ingress_tls',
  )
  const plain = (variables: { name: string; options?: object }[]): object[] =>
    variables.map(({ name, options }) => ({ name, options: { ...options, ca: undefined } }))
  t.same(plain((tile().variables ?? []).filter(({ type, options }) => type === 'certificate' && !options?.is_ca)), plain(ours))
  const passwords = (variables: { name: string; type: string }[]): string[] =>
    variables.filter(({ name, type }) => type === 'password' && name.startsWith('mesh_')).map(({ name }) => name)
  t.same(passwords(tile().variables ?? []), passwords(byOpsFiles().variables), 'and the same passwords')
  t.end()
})

test('each VM of the tile has what the stand-alone manifest adds to every VM', (t) => {
  const { addons } = readManifest('manifests/mesh.yml')
  const aliases = (job?: Job): Record<string, string> => {
    const all = (job?.properties?.['aliases'] ?? []) as { domain: string; targets: { query: string }[] }[]
    return Object.fromEntries(all.map(({ domain, targets }) => [domain, targets.map(({ query }) => query).join()]))
  }
  const added = addons.flatMap(({ jobs }) => jobs)
  t.same(
    added.map(({ name }) => name),
    beside,
  )
  for (const { name, jobs } of applyChanges(tile(), required)) {
    const found = jobs.filter((job) => beside.includes(job.name))
    t.same(
      found.map((job) => [job.name, job.release]),
      added.map((job) => [job.name, job.release]),
      name,
    )
    t.same(aliases(found[1]), { ...aliases(added[1]), 'cloud-controller-ng.service.cf.internal': '*' }, name)
  }
  t.end()
})

test('an alias of our own leads to a group of the tile that has its job', (t) => {
  const groups = applyChanges(tile(), required)
  const aliases = groups[0]?.jobs.find(({ name }) => name === 'bosh-dns-aliases')?.properties?.['aliases'] as {
    domain: string
    targets: { instance_group: string; deployment: string }[]
  }[]
  for (const { domain, targets } of aliases) {
    for (const { instance_group, deployment } of targets) {
      if (deployment !== '((..mesh-release.deployment_name))') continue
      t.ok(
        groups.find(({ name }) => name === instance_group)?.jobs.some(({ name }) => domain.startsWith(`${name}.`)),
        domain,
      )
    }
  }
  t.end()
})

test('what an operator enters arrives, each by itself', (t) => {
  const base = applyChanges(tile(), required)
  for (const [reference, value] of Object.entries(everything)) {
    const values: Values = { ...required, [reference]: reference in required ? change(value) : value }
    t.notSame(applyChanges(tile(), values), base, reference)
  }
  const router = applyChanges(tile(), everything).find(({ name }) => name === 'istio_router')
  t.match(router, {
    networks: [{ static_ips: ['10.0.4.10', '10.0.4.11'] }],
    jobs: [
      {
        properties: { trusted_hops: 2, trusted_cidrs: ['10.0.0.0/24', '10.0.1.0/24'], drain: { wait: 60 }, access_log: { enabled: false } },
      },
    ],
  })
  t.throws(() => applyChanges(tile(), {}), { message: /is required/ })
  t.end()
})

function change(value: unknown): unknown {
  return typeof value === 'string'
    ? 'other'
    : [...(value as object[]), { name: 'second', certificate: { cert_pem: 'a', private_key_pem: 'b' } }]
}

test('every property that the tile sets is one of its job', (t) => {
  for (const { jobs } of applyChanges(tile(), everything)) {
    for (const job of jobs.filter(({ release }) => release === 'mesh')) {
      const declared = Object.keys(jobSpec(job.name).properties)
      for (const path of Object.keys(leaves(job)))
        t.ok(declared.includes(path.replace(/tls\.ca$/, 'tls.certificate')), `${job.name}: ${path}`)
    }
  }
  t.end()
})

test('the programs accept what the tile gives them, by default and with everything entered', { skip: rubyAbsent }, (t) => {
  const schemas = {
    copilot: CopilotConfig,
    'istio-router': RouterConfig,
    pilot: PilotConfig,
    'route-syncer': RouteSyncerConfig,
    'smoke-tests': SmokeTestsConfig,
  }
  const { ca, certificate: chain, private_key } = certificate('component.service.cf.internal')
  const pem = (text: string): unknown => {
    if (text.includes('private_key')) return private_key
    if (text.endsWith('_tls))')) return { ca, certificate: chain, private_key }
    return /cert|ca\)\)$/.test(text) ? chain : text.replaceAll(/\(\([^()]+\)\)/g, 'a-generated-value.test')
  }
  const real = (value: unknown): unknown => {
    if (typeof value === 'string') return value.includes('((') ? pem(value) : value
    if (Array.isArray(value)) return value.map(real)
    return value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([key, child]) => [key, real(child)])) : value
  }
  for (const values of [required, everything]) {
    const jobs = applyChanges(tile(), values).flatMap((group) => group.jobs)
    const requests = jobNames.map((name) => ({
      job: name,
      links: minimal[name]!.links,
      properties: real(jobs.find((job) => job.name === name)?.properties) as object,
    }))
    const prefix = new Prefix()
    t.teardown(() => prefix.discard())
    for (const [index, rendered] of renderJobs(requests).entries()) {
      const job = jobNames[index]!
      t.same(rendered.errors, [], job)
      prefix.install(job, rendered)
      t.doesNotThrow(() => readConfig(schemas[job], prefix.path('jobs', job, 'config', `${job}.yml`)), job)
    }
  }
  t.end()
})
