import { kinds } from './blueprints.ts'
import type { Blueprint, JobType, Metadata, NamedManifest } from './types.ts'

/** What an expression may name besides properties of the tile, as the tile developer guide lists it. */
const contexts: Record<string, string[]> = {
  $ops_manager: [
    'ca_certificate',
    'trusted_certificates',
    'http_proxy',
    'https_proxy',
    'no_proxy',
    'instance_types_catalog',
    'restricted_view_api_access_credentials',
    'iaas_type',
    'dns_enabled',
  ],
  $director: [
    'guid',
    'deployment_ip',
    'username',
    'password',
    'ntp_servers',
    'ca_public_key',
    'hostname',
    'tld',
    'metrics_server_enabled',
    'bosh_metrics_forwarder_client_name',
    'bosh_metrics_forwarder_client_secret',
    'system_metrics_runtime_enabled',
    'dns_release_present',
  ],
  $runtime: ['system_domain', 'apps_domain', 'system_api_url', 'login_url', 'uaa_url', 'console_url', 'default_reply_to', 'default_from'],
  $self: ['uaa_client_name', 'uaa_client_secret', 'service_network', 'stemcell_version'],
}
const ofJobs = ['name', 'cpu', 'ram', 'ephemeral_disk', 'persistent_disk', 'instances', 'any_instances', 'subnet_cidrs']
const ofProducts = ['deployment_name', 'network_name', 'present?']
const accessors = [...new Set(Object.values(kinds).flatMap((kind) => kind.accessors))]

/** Where a snippet stands, which decides what its expressions may name. */
export interface Scope {
  job?: JobType
  /** The collection whose records the snippet is made for. */
  collection?: Blueprint
}

export interface Snippet extends Scope {
  path: string
  text: string
  /** Whether it must be YAML of a mapping. */
  mapping: boolean
}

/** The properties of a tile by reference: `.properties.NAME`, `.JOB.NAME`, and `.properties.SELECTOR.OPTION.NAME`. */
export function propertiesOf({ property_blueprints = [], job_types }: Metadata): Map<string, Blueprint> {
  const of = (place: string, blueprints: Blueprint[] = []): [string, Blueprint][] =>
    blueprints.flatMap((blueprint) => {
      const reference = `${place}.${blueprint.name}`
      const below = (blueprint.option_templates ?? []).flatMap((option) => of(`${reference}.${option.name}`, option.property_blueprints))
      return [[reference, blueprint] as [string, Blueprint], ...below]
    })
  return new Map([...of('.properties', property_blueprints), ...job_types.flatMap((job) => of(`.${job.name}`, job.property_blueprints))])
}

/** All snippets of a tile, with the path of each in the metadata. */
export function snippetsOf(metadata: Metadata): Snippet[] {
  const named = (path: string, manifests: NamedManifest[] = [], scope: Scope = {}): Snippet[] =>
    manifests.map(({ name, manifest }) => ({ path: `${path}.${name}`, text: manifest, mapping: false, ...scope }))
  const ofProperties = [...propertiesOf(metadata)].flatMap(([reference, blueprint]) => [
    ...named(reference, blueprint.named_manifests, { collection: blueprint }),
    ...(blueprint.option_templates ?? []).flatMap((option) => named(`${reference}.${option.name}`, option.named_manifests)),
  ])
  const ofTemplates = metadata.job_types.flatMap((job) => [
    ...(job.manifest ? [{ path: `${job.name}.manifest`, text: job.manifest, mapping: true, job }] : []),
    ...job.templates.flatMap((template) =>
      (['manifest', 'consumes', 'provides'] as const).flatMap((part) => {
        const text = template[part]
        return text ? [{ path: `${job.name}.${template.name}.${part}`, text, mapping: true, job }] : []
      }),
    ),
  ])
  return [...ofProperties, ...ofTemplates]
}

/** What a reference leads to: a property of the tile, something outside of it, or a fault. */
export type Found =
  { property: string; accessor: string } | { field: Blueprint; accessor: string } | { outside: string } | { fault: string }

/** Resolves what an expression names. `properties` are those of `metadata`. */
export function resolve(reference: string, metadata: Metadata, properties: Map<string, Blueprint>, scope: Scope): Found {
  if (reference.startsWith('$')) return outside(reference, contexts[reference.split('.')[0] ?? ''])
  if (reference.startsWith('..')) return ofProduct(reference, metadata)
  if (reference.startsWith('current_record.')) return ofRecord(reference, scope.collection)
  if (!reference.startsWith('.')) {
    if (scope.job && ofJobs.includes(reference)) return { outside: reference }
    return scope.job ? resolve(`.${scope.job.name}.${reference}`, metadata, properties, {}) : { fault: `${reference} is not known here` }
  }
  const property = [...properties.keys()].filter((key) => reference.startsWith(`${key}.`)).sort((a, b) => b.length - a.length)[0]
  if (!property) return { fault: `${reference}: there is no such property` }
  const accessor = reference.slice(property.length + 1)
  const blueprint = properties.get(property) as Blueprint
  return readable(blueprint, accessor) ? { property, accessor } : { fault: `${property}: a ${blueprint.type} has no ${accessor}` }
}

function outside(reference: string, known: string[] = []): Found {
  return known.includes(reference.slice(reference.indexOf('.') + 1))
    ? { outside: reference }
    : { fault: `${reference} is nothing that Ops Manager knows` }
}

function ofProduct(reference: string, { name, requires_product_versions = [] }: Metadata): Found {
  const [product = '', ...path] = reference.slice(2).split('.')
  if (product !== name && !requires_product_versions.some((required) => required.name === product))
    return { fault: `${reference}: ${product} is not in requires_product_versions` }
  const last = path.at(-1) ?? ''
  const known = path.length === 1 ? ofProducts : accessors
  return [1, 3].includes(path.length) && known.includes(last)
    ? { outside: reference }
    : { fault: `${reference} is nothing that Ops Manager knows` }
}

function ofRecord(reference: string, collection?: Blueprint): Found {
  const [, name, accessor = ''] = reference.split('.')
  const field = collection?.property_blueprints?.find((blueprint) => blueprint.name === name)
  if (!field) return { fault: `${reference}: there is no such field` }
  return readable(field, accessor) ? { field, accessor } : { fault: `${reference}: a ${field.type} has no ${accessor}` }
}

function readable({ type, named_manifests = [], option_templates = [] }: Blueprint, accessor: string): boolean {
  const manifest = /parsed_manifest\((\w+)\)$/.exec(accessor)
  const has = (manifests: NamedManifest[] = []): boolean => manifests.some(({ name }) => name === manifest?.[1])
  if (type === 'collection') return accessor === 'value' || (accessor.startsWith('parsed_manifest(') && has(named_manifests))
  if (type === 'selector')
    return (
      accessor === 'value' ||
      (accessor.startsWith('selected_option.parsed_manifest(') && option_templates.every((option) => has(option.named_manifests)))
    )
  return kinds[type]?.accessors.includes(accessor) ?? false
}
