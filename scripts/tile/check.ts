import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { describeFault } from '../../src/common/config.ts'
import { messageOf } from '../../src/common/problem.ts'
import { kinds } from './blueprints.ts'
import { readExpressions, type Expression } from './expressions.ts'
import { propertiesOf, resolve, snippetsOf } from './references.ts'
import { ProductTemplate } from './schema.ts'
import type { Blueprint, Constraints, Input, Metadata } from './types.ts'

const fits = new Ajv({ allErrors: true, strict: false, discriminator: true }).compile(ProductTemplate)

/** What Ops Manager would object to in a tile's metadata, each a sentence that begins with its place. */
export function tileFaults(value: unknown): string[] {
  if (!fits(value)) return [...new Set((fits.errors ?? []).map(describeFault))]
  const metadata = value as Metadata
  return [
    ...repeated(metadata),
    ...properties(metadata),
    ...forms(metadata),
    ...manifests(metadata),
    ...jobs(metadata),
    ...errands(metadata),
    ...variables(metadata),
  ]
}

function repeated({ releases, variables = [], form_types, property_blueprints = [], job_types }: Metadata): string[] {
  const kinds = {
    releases,
    variables,
    form_types,
    property_blueprints,
    job_types,
    ...Object.fromEntries(job_types.map((job) => [`${job.name}.templates`, job.templates])),
  }
  return Object.entries(kinds).flatMap(([kind, items]) => {
    const names = items.map(({ name }) => name)
    return names.filter((name, index) => names.indexOf(name) !== index).map((name) => `${kind}: ${name} stands twice`)
  })
}

function properties(metadata: Metadata): string[] {
  return [...propertiesOf(metadata)].flatMap(([reference, blueprint]) => [
    ...property(reference, blueprint),
    ...(blueprint.property_blueprints ?? []).flatMap((field) => property(`${reference}.${field.name}`, field)),
  ])
}

function property(
  reference: string,
  { type, configurable = false, optional = false, default: standard, constraints, options, option_templates }: Blueprint,
): string[] {
  const choices = options?.map(({ name }) => name) ?? option_templates?.map(({ select_value }) => select_value)
  const chosen = [standard].flat().filter((value) => typeof value === 'string')
  const generated = kinds[type]?.generated
  return [
    ...(optional && standard !== undefined ? [`${reference}: is optional, so it cannot have a default`] : []),
    ...(optional && !configurable ? [`${reference}: is optional, so it must be configurable`] : []),
    ...(!configurable && !generated && standard === undefined
      ? [`${reference}: is not configurable, has no default, and Ops Manager makes no ${type}`]
      : []),
    ...(type === 'rsa_cert_credentials' && configurable && standard !== undefined
      ? [`${reference}: is configurable, so it cannot have domains as its default`]
      : []),
    ...(choices
      ? chosen.filter((value) => !choices.includes(value)).map((value) => `${reference}: ${value} is not one of ${choices.join(', ')}`)
      : []),
    ...(type === 'integer' ? within(reference, standard as number | undefined, constraints as Constraints | undefined) : []),
  ]
}

function within(place: string, value: number | undefined, { min = -Infinity, max = Infinity }: Constraints = {}): string[] {
  if (min > max) return [`${place}: its min is above its max`]
  return value === undefined || (value >= min && value <= max) ? [] : [`${place}: ${value} is not within its constraints`]
}

function forms(metadata: Metadata): string[] {
  const known = propertiesOf(metadata)
  const inputs = metadata.form_types.flatMap(({ property_inputs }) => property_inputs)
  const shown = inputs.flatMap((input) => [
    input.reference,
    ...(input.selector_property_inputs ?? []).flatMap((option) => (option.property_inputs ?? []).map(({ reference }) => reference)),
  ])
  const verified = [...(metadata.install_time_verifiers ?? []), ...metadata.form_types.flatMap(({ verifiers = [] }) => verifiers)].flatMap(
    ({ properties = {} }) => Object.values(properties),
  )
  return [
    ...shown.filter((reference, index) => shown.indexOf(reference) !== index).map((reference) => `${reference}: stands in forms twice`),
    ...[...known]
      .filter(([reference, { configurable }]) => configurable && !shown.includes(reference))
      .map(([reference]) => `${reference}: is configurable, but in no form`),
    ...shown
      .filter((reference) => known.get(reference)?.configurable === false || (known.has(reference) && !known.get(reference)?.configurable))
      .map((reference) => `${reference}: is in a form, but not configurable`),
    ...shown.filter((reference) => !known.has(reference)).map((reference) => `${reference}: is in a form, but there is no such property`),
    ...inputs.flatMap((input) => parts(input, known.get(input.reference))),
    ...verified
      .filter((value) => typeof value === 'string' && value.startsWith('.') && !known.has(value))
      .map((value) => `${String(value)}: a verifier names it, but there is no such property`),
  ]
}

/** The fields of a collection and the options of a selector stand in the form as they do in the property. */
function parts({ reference, property_inputs = [], selector_property_inputs = [] }: Input, blueprint?: Blueprint): string[] {
  if (!blueprint) return []
  const wanted = [
    ...(blueprint.property_blueprints ?? []).map(({ name }) => name),
    ...(blueprint.option_templates ?? []).map(({ name }) => `${reference}.${name}`),
  ]
  const shown = [...property_inputs, ...selector_property_inputs].map((input) => input.reference)
  return [
    ...wanted.filter((name) => !shown.includes(name)).map((name) => `${reference}: the form does not show ${name}`),
    ...shown.filter((name) => !wanted.includes(name)).map((name) => `${reference}: the form shows ${name}, which it does not have`),
  ]
}

function manifests(metadata: Metadata): string[] {
  const known = propertiesOf(metadata)
  // Ops Manager itself reads static_ips.
  const used = new Set([...known.keys()].filter((reference) => reference.endsWith('.static_ips')))
  const faults = snippetsOf(metadata).flatMap(({ path, text, mapping, ...scope }) => {
    try {
      const value = parse(text) as unknown
      const shape = mapping && (typeof value !== 'object' || value === null || Array.isArray(value)) ? [`${path}: is not a mapping`] : []
      const found = expressionsOf(text).flatMap((expression) =>
        expression.kind === 'property' ? [resolve(expression.reference, metadata, known, scope)] : [],
      )
      for (const one of found) if ('property' in one) used.add(one.property)
      return [...shape, ...found.flatMap((one) => ('fault' in one ? [`${path}: ${one.fault}`] : []))]
    } catch (error) {
      return [`${path}: ${messageOf(error)}`]
    }
  })
  return [
    ...faults,
    ...[...known.keys()].filter((reference) => !used.has(reference)).map((reference) => `${reference}: no manifest uses it`),
    ...fields(metadata),
  ]
}

/** Fields of collections that no record's manifest uses. */
function fields(metadata: Metadata): string[] {
  return [...propertiesOf(metadata)].flatMap(([reference, { named_manifests = [], property_blueprints = [] }]) => {
    const text = named_manifests.map(({ manifest }) => manifest).join('\n')
    return named_manifests.length
      ? property_blueprints
          .filter(({ name }) => !text.includes(`current_record.${name}.`))
          .map(({ name }) => `${reference}.${name}: no manifest uses it`)
      : []
  })
}

function expressionsOf(text: string): Expression[] {
  return readExpressions(text).filter((part) => typeof part !== 'string')
}

function jobs({ job_types, releases }: Metadata): string[] {
  return job_types.flatMap(({ name, templates, instance_definition: instances, resource_definitions: resources }) => [
    ...templates
      .filter(({ release }) => !releases.some((one) => one.name === release))
      .map((template) => `${name}.${template.name}: there is no release ${template.release}`),
    ...within(`${name}.instances`, instances.default, instances.constraints),
    ...resources.flatMap((resource) => within(`${name}.${resource.name}`, resource.default, resource.constraints)),
    ...(new Set(resources.map((resource) => resource.name)).size < 4
      ? [`${name}: needs ram, ephemeral_disk, persistent_disk and cpu, each once`]
      : []),
  ])
}

function errands({ job_types, post_deploy_errands = [], pre_delete_errands = [] }: Metadata): string[] {
  const all = [...post_deploy_errands, ...pre_delete_errands]
  const own = job_types.filter(({ errand }) => errand).map(({ name }) => name)
  const colocated = job_types.flatMap(({ templates }) => templates.map(({ name }) => name))
  return [
    ...all
      .filter((errand) => !(errand.colocated ? colocated : own).includes(errand.name))
      .map(({ name }) => `${name}: there is no such errand`),
    ...own.filter((name) => !all.some((errand) => errand.name === name)).map((name) => `${name}: is an errand that never runs`),
  ]
}

function variables(metadata: Metadata): string[] {
  const { variables: declared = [] } = metadata
  const used = snippetsOf(metadata).flatMap(({ text }) =>
    readable(text).flatMap((expression) => (expression.kind === 'variable' ? [expression.name.split('.')[0] ?? ''] : [])),
  )
  const authorities = declared.map(({ options }) => options?.ca)
  return [
    ...used
      .filter((name) => !name.startsWith('/') && !declared.some((one) => one.name === name))
      .map((name) => `((${name})): there is no such variable`),
    ...declared
      .filter(({ name }) => !used.includes(name) && !authorities.includes(name))
      .map(({ name }) => `${name}: nothing uses this variable`),
    ...declared
      .filter(({ type, options }) => type === 'certificate' && !options?.is_ca && !options?.alternative_names?.length)
      .map(({ name }) => `${name}: has no alternative names`),
    ...declared
      .filter(({ options }) => options?.ca && !declared.some((one) => one.name === options.ca && one.options?.is_ca))
      .map(({ name, options }) => `${name}: ${options?.ca} is no CA`),
  ]
}

/** The expressions of a snippet; none where it cannot be read, which is told elsewhere. */
function readable(text: string): Expression[] {
  try {
    return expressionsOf(text)
  } catch {
    return []
  }
}
