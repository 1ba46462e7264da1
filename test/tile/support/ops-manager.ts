import { parse } from 'yaml'
import { readExpressions, type Expression } from '../../../scripts/tile/expressions.ts'
import { propertiesOf, resolve, type Scope } from '../../../scripts/tile/references.ts'
import type { Blueprint, Metadata } from '../../../scripts/tile/types.ts'
import type { InstanceGroup, Job } from '../../bosh/support/manifests.ts'

/** What an operator entered, by reference; a collection's records are maps, a certificate is `{cert_pem, private_key_pem}`. */
export type Values = Record<string, unknown>

/** What stands for an expression that leads out of the tile, as `..cf.deployment_name`. */
type Outside = (reference: string) => unknown

interface Record_ {
  blueprint: Blueprint
  fields: Record<string, unknown>
}

/** Makes instance groups of a tile's metadata as Ops Manager does when changes are applied. Throws where a required value is missing. */
export function applyChanges(metadata: Metadata, values: Values, outside: Outside = (reference) => `((${reference}))`): InstanceGroup[] {
  const properties = propertiesOf(metadata)
  const valueOf = (reference: string, { default: standard, optional }: Blueprint): unknown => {
    const value = values[reference] ?? standard
    if (value === undefined && !optional) throw new Error(`${reference}: is required`)
    return value ?? null
  }

  const evaluate = (expression: Expression, scope: Scope, record?: Record_): unknown => {
    if (expression.kind === 'variable') return `((${expression.name}))`
    const found = resolve(expression.reference, metadata, properties, { ...scope, collection: record?.blueprint })
    if ('fault' in found) throw new Error(found.fault)
    if ('outside' in found) return outside(found.outside)
    const result =
      'field' in found ? access(found.field, record?.fields[found.field.name], found.accessor) : property(found.property, found.accessor)
    return result ?? (expression.otherwise === undefined ? null : (parse(expression.otherwise) as unknown))
  }

  const property = (reference: string, accessor: string): unknown => {
    const blueprint = properties.get(reference) as Blueprint
    const value = valueOf(reference, blueprint)
    const manifest = /parsed_manifest\((\w+)\)/.exec(accessor)?.[1]
    if (!manifest) return access(blueprint, value, accessor)
    const named = ({ named_manifests = [] }: Pick<Blueprint, 'named_manifests'>): string =>
      named_manifests.find(({ name }) => name === manifest)?.manifest ?? ''
    if (blueprint.type === 'selector')
      return fill(named(blueprint.option_templates?.find(({ select_value }) => select_value === value) ?? {}), {})
    return (value as Record<string, unknown>[]).map((fields) => fill(named(blueprint), {}, { blueprint, fields }))
  }

  const fill = (text: string, scope: Scope, record?: Record_): unknown => {
    const walk = (node: unknown): unknown => {
      if (typeof node === 'string') return interpolate(node)
      if (Array.isArray(node)) return node.map(walk)
      return node && typeof node === 'object' ? Object.fromEntries(Object.entries(node).map(([key, value]) => [key, walk(value)])) : node
    }
    const interpolate = (string: string): unknown => {
      const [first, ...rest] = readExpressions(string)
      if (first !== undefined && typeof first !== 'string' && !rest.length) return evaluate(first, scope, record)
      return readExpressions(string)
        .map((part) => (typeof part === 'string' ? part : String(evaluate(part, scope, record))))
        .join('')
    }
    return walk(parse(text, { version: '1.1' }) as unknown)
  }

  return metadata.job_types.map((job) => ({
    name: job.name,
    azs: [],
    vm_type: '',
    stemcell: '',
    instances: job.instance_definition.default,
    ...(job.errand && { lifecycle: 'errand' }),
    networks: [{ name: 'network', ...staticIps(values[`.${job.name}.static_ips`]) }],
    jobs: job.templates.map(({ name, release, manifest, consumes }) => ({
      name,
      release,
      ...(manifest && { properties: fill(manifest, { job }) as Job['properties'] }),
      ...(consumes && { consumes: fill(consumes, { job }) as Job['consumes'] }),
    })),
  }))
}

function access({ type }: Blueprint, value: unknown, accessor: string): unknown {
  if (accessor === 'value') return value
  if (accessor === 'value_present?') return value !== null
  if (type === 'string_list' && accessor === 'parsed_strings') return value === null ? null : (value as string).split(',')
  if (type === 'rsa_cert_credentials') return (value as Record<string, unknown>)[accessor]
  throw new Error(`the test's Ops Manager does not know ${accessor} of ${type}`)
}

function staticIps(ranges: unknown): { static_ips?: string[] } {
  return typeof ranges === 'string' ? { static_ips: ranges.split(',') } : {}
}
