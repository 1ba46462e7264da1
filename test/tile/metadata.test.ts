import { test } from 'tap'
import { parse } from 'yaml'
import { tileFaults } from '../../scripts/tile/check.ts'
import { metadataFile } from '../../scripts/tile/metadata.ts'
import { propertiesOf, snippetsOf } from '../../scripts/tile/references.ts'
import type { Blueprint, Input, JobType, Metadata } from '../../scripts/tile/types.ts'
import { jobSpec } from '../bosh/support/jobs.ts'
import { everything, tile } from './support/tile.ts'

test('the metadata is what Ops Manager takes, also as the file that is written', (t) => {
  const metadata = tile()
  t.same(tileFaults(metadata), [])
  t.strictSame(parse(metadataFile(metadata), { version: '1.1' }), metadata)
  t.notMatch(metadataFile(metadata), /^\s*#|[&*]aliases/m)
  t.end()
})

test('the forms have the fields that operators know, with their names', (t) => {
  const { form_types } = tile()
  const labels = form_types
    .flatMap(({ property_inputs }) => property_inputs as (Input & { label: string })[])
    .map(({ reference, label }) => `${label}: ${reference}`)
  t.match(
    form_types.map((form) => (form as unknown as { label: string }).label),
    ['Mesh Networking', 'Ingress Router', 'Cloud Foundry'],
  )
  for (const known of [
    'IP Addresses for Ingress Router: .istio_router.static_ips',
    'Ingress Router TLS Keypairs: .properties.istio_frontend_tls_keypairs',
    'Mesh Domain: .properties.istio_domain',
  ]) {
    t.ok(labels.includes(known), known)
  }
  t.end()
})

test('the tests enter a value into every field', (t) => {
  t.same(new Set(Object.keys(everything)), new Set(propertiesOf(tile()).keys()))
  t.end()
})

test('each VM has memory for the limits of its jobs', (t) => {
  for (const { name, templates, resource_definitions } of tile().job_types.filter(({ errand }) => !errand)) {
    const limits = templates
      .filter(({ release }) => release === 'mesh')
      .map((job) => parseInt(String(jobSpec(job.name).properties['limits.memory']?.default), 10) * 1024)
    const ram = resource_definitions.find((resource) => resource.name === 'ram')
    t.ok(ram!.constraints!.min! >= limits.reduce((sum, limit) => sum + limit, 1024), `${name}: 1 GB beside the limits of its jobs`)
  }
  t.end()
})

test('control and syncer are one VM each, and say why', (t) => {
  for (const job of tile().job_types) {
    const single = ['istio_control', 'route_syncer'].includes(job.name)
    t.equal(job.instance_definition.constraints?.max, single ? 1 : undefined, job.name)
    if (single) t.match((job as unknown as { description: string }).description, /One VM for now, since /)
  }
  t.end()
})

const blueprint = (metadata: Metadata, name: string): Blueprint => metadata.property_blueprints!.find((one) => one.name === name)!
const job = (metadata: Metadata, name: string): JobType => metadata.job_types.find((one) => one.name === name)!
const snippet = (metadata: Metadata, change: (text: string) => string): void => {
  const router = job(metadata, 'istio_router').templates[0]!
  router.manifest = change(router.manifest!)
}

const wrong: { name: string; change: (metadata: Metadata) => unknown; fault: RegExp }[] = [
  { name: 'without a name', change: (tile) => delete (tile as Partial<Metadata>).name, fault: /^name: is required/ },
  { name: 'with a field that is none', change: (tile) => Object.assign(tile, { jobs: [] }), fault: /^jobs: is not a known field/ },
  { name: 'with a version that is none', change: (tile) => (tile.product_version = 'latest'), fault: /^product_version: / },
  {
    name: 'without stemcell criteria',
    change: (tile) => Object.assign(tile, { stemcell_criteria: { os: 'ubuntu-noble' } }),
    fault: /^stemcell_criteria\.version: is required/,
  },
  { name: 'without releases', change: (tile) => (tile.releases = []), fault: /^releases: / },
  { name: 'whose release is not a tarball', change: (tile) => (tile.releases[0]!.file = 'mesh'), fault: /^releases\[0\]\.file: / },
  { name: 'whose icon is not a PNG', change: (tile) => (tile.icon_image = 'R0lGODlh'), fault: /^icon_image: / },
  {
    name: 'that needs another product in words',
    change: (tile) => Object.assign(tile, { requires_product_versions: [{ name: 'cf', version: 'newest' }] }),
    fault: /^requires_product_versions\[0\]\.version: /,
  },
  {
    name: 'with a property of no type',
    change: (tile) => (blueprint(tile, 'access_log').type = 'bool'),
    fault: /^property_blueprints\[\d+\]: .*type/,
  },
  {
    name: 'with a default of another type',
    change: (tile) => (blueprint(tile, 'drain_wait').default = '20'),
    fault: /^property_blueprints\[\d+\]\.default: must be integer/,
  },
  {
    name: 'with a constraint that is none',
    change: (tile) => (blueprint(tile, 'drain_wait').constraints = { minimum: 0 }),
    fault: /constraints\.minimum: is not a known field/,
  },
  {
    name: 'with a selector of one option',
    change: (tile) => blueprint(tile, 'mirror').option_templates!.pop(),
    fault: /option_templates: must NOT have fewer than 2/,
  },
  {
    name: 'with a collection in a collection',
    change: (tile) => (blueprint(tile, 'istio_frontend_tls_keypairs').property_blueprints![0]!.type = 'collection'),
    fault: /property_blueprints\[0\]: .*type/,
  },
  {
    name: 'whose job type has no number of instances',
    change: (tile) => delete (job(tile, 'istio_router') as Partial<JobType>).instance_definition,
    fault: /instance_definition: is required/,
  },
  {
    name: 'whose links are a mapping, not text',
    change: (tile) => (job(tile, 'istio_control').templates[2]!.consumes = {} as string),
    fault: /consumes: must be string/,
  },
  {
    name: 'with a verifier that Ops Manager does not have',
    change: (tile) => (tile.install_time_verifiers = [{ name: 'Verifiers::MeshVerifier' } as object]),
    fault: /install_time_verifiers\[0\]\.name: must be one of/,
  },

  {
    name: 'with a property twice',
    change: (tile) => tile.property_blueprints!.push(blueprint(tile, 'access_log')),
    fault: /property_blueprints: access_log stands twice/,
  },
  {
    name: 'with an optional property that has a default',
    change: (tile) => (blueprint(tile, 'drain_wait').optional = true),
    fault: /drain_wait: is optional, so it cannot have a default/,
  },
  {
    name: 'with an optional property that is not configurable',
    change: (tile) => (blueprint(tile, 'trusted_cidrs').configurable = false),
    fault: /trusted_cidrs: is optional, so it must be configurable/,
  },
  {
    name: 'with a value that nobody gives',
    change: (tile) => delete blueprint(tile, 'istio_domain').configurable,
    fault: /istio_domain: is not configurable, has no default/,
  },
  {
    name: 'with a default that is no option',
    change: (tile) => (blueprint(tile, 'minimum_tls_version').default = '1.1'),
    fault: /minimum_tls_version: 1\.1 is not one of 1\.2, 1\.3/,
  },
  {
    name: 'with a default outside of its constraints',
    change: (tile) => (blueprint(tile, 'drain_wait').default = 4000),
    fault: /drain_wait: 4000 is not within its constraints/,
  },
  {
    name: 'with a property in no form',
    change: (tile) => tile.form_types[1]!.property_inputs.pop(),
    fault: /access_log: is configurable, but in no form/,
  },
  {
    name: 'with a property in two forms',
    change: (tile) => tile.form_types[1]!.property_inputs.push(tile.form_types[0]!.property_inputs[0]!),
    fault: /istio_domain: stands in forms twice/,
  },
  {
    name: 'with a form of nothing',
    change: (tile) => (tile.form_types[1]!.property_inputs[0]!.reference = '.properties.nothing'),
    fault: /nothing: is in a form, but there is no such property/,
  },
  {
    name: 'whose form does not show a part',
    change: (tile) => tile.form_types[0]!.property_inputs[3]!.property_inputs!.pop(),
    fault: /istio_frontend_tls_keypairs: the form does not show certificate/,
  },
  {
    name: 'whose verifier names nothing',
    change: (tile) => (tile.install_time_verifiers![1]!.properties = { domain: '.properties.domain' }),
    fault: /\.properties\.domain: a verifier names it/,
  },
  {
    name: 'with a property that no manifest uses',
    change: (tile) => snippet(tile, (text) => text.replace(/drain:\n.*\n/, '')),
    fault: /drain_wait: no manifest uses it/,
  },
  {
    name: 'with a field that no record uses',
    change: (tile) =>
      (blueprint(tile, 'istio_frontend_tls_keypairs').named_manifests![0]!.manifest = 'name: (( current_record.name.value ))'),
    fault: /keypairs\.certificate: no manifest uses it/,
  },
  {
    name: 'that uses a property that is not there',
    change: (tile) => snippet(tile, (text) => text.replace('drain_wait', 'drain_limit')),
    fault: /istio_router\.istio-router\.manifest: \.properties\.drain_limit\.value: there is no such property/,
  },
  {
    name: 'that reads a property wrongly',
    change: (tile) => snippet(tile, (text) => text.replace('drain_wait.value', 'drain_wait.cert_pem')),
    fault: /drain_wait: a integer has no cert_pem/,
  },
  {
    name: 'that uses a manifest that one option lacks',
    change: (tile) => delete blueprint(tile, 'mirror').option_templates![0]!.named_manifests,
    fault: /mirror: a selector has no selected_option/,
  },
  {
    name: 'that asks Ops Manager for what it does not have',
    change: (tile) => snippet(tile, (text) => `${text}x: (( $ops_manager.password ))\n`),
    fault: /\$ops_manager\.password is nothing/,
  },
  {
    name: 'that reads a product it does not require',
    change: (tile) => snippet(tile, (text) => `${text}x: (( ..p-mysql.deployment_name ))\n`),
    fault: /p-mysql is not in requires_product_versions/,
  },
  {
    name: 'whose expression does not close',
    change: (tile) => snippet(tile, (text) => `${text}x: (( .properties.drain_wait.value )\n`),
    fault: /an expression is not closed/,
  },
  {
    name: 'whose manifest is not YAML',
    change: (tile) => snippet(tile, (text) => `${text}  x: [\n`),
    fault: /istio_router\.istio-router\.manifest: /,
  },
  {
    name: 'that uses a variable that is not there',
    change: (tile) => tile.variables!.splice(1, 1),
    fault: /\(\(mesh_copilot_tls\)\): there is no such variable/,
  },
  {
    name: 'with a variable that nothing uses',
    change: (tile) => tile.variables!.push({ name: 'spare', type: 'password' }),
    fault: /spare: nothing uses this variable/,
  },
  {
    name: 'with a certificate of no name',
    change: (tile) => delete tile.variables![1]!.options!.alternative_names,
    fault: /mesh_copilot_tls: has no alternative names/,
  },
  {
    name: 'with a certificate of no CA',
    change: (tile) => delete tile.variables![0]!.options!.is_ca,
    fault: /mesh_copilot_tls: mesh_ca is no CA/,
  },
  {
    name: 'whose job is of a release that it does not carry',
    change: (tile) => tile.releases.shift(),
    fault: /istio_control\.copilot: there is no release mesh/,
  },
  {
    name: 'with more instances than it may have',
    change: (tile) => (job(tile, 'istio_control').instance_definition.default = 2),
    fault: /istio_control\.instances: 2 is not within/,
  },
  {
    name: 'without one of the resources',
    change: (tile) => (job(tile, 'istio_router').resource_definitions[3]!.name = 'ram'),
    fault: /istio_router: needs ram, ephemeral_disk, persistent_disk and cpu/,
  },
  {
    name: 'with an errand of no job',
    change: (tile) => (tile.post_deploy_errands![0]!.name = 'smoke'),
    fault: /smoke: there is no such errand/,
  },
  {
    name: 'with an errand that never runs',
    change: (tile) => delete tile.post_deploy_errands,
    fault: /mesh_smoke_tests: is an errand that never runs/,
  },
]

test('a wrong tile is refused', (t) => {
  for (const { name, change, fault } of wrong) {
    const metadata = tile()
    change(metadata)
    t.match(tileFaults(metadata).join('\n'), new RegExp(fault, 'm'), name)
  }
  t.end()
})

test('every snippet is checked', (t) => {
  const paths = snippetsOf(tile()).map(({ path }) => path)
  for (const path of [
    '.properties.mirror.enabled.mirror',
    '.properties.istio_frontend_tls_keypairs.keypair',
    'istio_control.route_registrar.consumes',
    'istio_router.istio-router.manifest',
  ])
    t.ok(paths.includes(path), path)
  t.end()
})
