import { DestinationRule } from '@kubernetes-models/istio/networking.istio.io/v1/DestinationRule'
import { Gateway } from '@kubernetes-models/istio/networking.istio.io/v1/Gateway'
import { ServiceEntry } from '@kubernetes-models/istio/networking.istio.io/v1/ServiceEntry'
import { VirtualService } from '@kubernetes-models/istio/networking.istio.io/v1/VirtualService'
import { specs, type Field } from './fields.ts'
import { codes, within, type Findings } from './finding.ts'
import { nearest } from './nearest.ts'
import { supportOf } from './support.ts'
import type { ResourceKind } from './types.ts'

const models = { DestinationRule, Gateway, ServiceEntry, VirtualService }

/** Fields of which only one can be given, by the object that has them. */
const alternatives = [
  ['exact', 'prefix', 'regex'],
  ['simple', 'consistentHash'],
  ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'],
  ['ringHash', 'maglev'],
  ['port', 'derivePort'],
  ['grpcStatus', 'httpStatus', 'http2Error'],
  ['fixedDelay', 'exponentialDelay'],
  ['string', 'bytes'],
]

/** Checks the shape of a spec: unknown and missing fields, types, values, and those that are refused or ignored here. */
export function checkStructure(kind: ResourceKind, spec: unknown, findings: Findings): void {
  walk({ kind, findings }, specs[kind], spec, 'spec', '')
  if (kind === 'RateLimit') return
  try {
    new models[kind]({ spec } as never).validate()
  } catch (error) {
    const { errors } = error as { errors?: Complaint[] }
    if (!errors) throw error
    for (const complaint of errors) report(complaint, spec, findings)
  }
}

/** As ajv tells it. */
interface Complaint {
  instancePath: string
  keyword: string
  params: Record<string, unknown>
  message?: string
}

interface Context {
  kind: ResourceKind
  findings: Findings
}

/** `path` is where the value stands, `pattern` the same for any item, as the table of support has it. */
function walk(context: Context, field: Field, value: unknown, path: string, pattern: string): void {
  const { findings } = context
  const wrong = typeFault(field, value)
  if (wrong) return findings.error(path, wrong, codes.type)
  if (field.fields) return walkObject(context, field, value as Record<string, unknown>, path, pattern)
  if (field.of?.fields || field.of?.of) {
    for (const [key, inner] of entries(value))
      walk(context, field.of, inner, within(path, key), `${pattern}${field.type === 'list' ? '[]' : '{}'}`)
    return
  }
  if (field.of) for (const [key, inner] of entries(value)) findings.fault(within(path, key), typeFault(field.of, inner))
  checkSupport(context, path, pattern)
}

function walkObject(context: Context, field: Field, value: Record<string, unknown>, path: string, pattern: string): void {
  const { findings } = context
  const known = field.fields!
  for (const [name, inner] of Object.entries(value)) {
    const at = within(path, name)
    if (Object.hasOwn(known, name)) {
      walk(context, known[name]!, inner, at, pattern ? `${pattern}.${name}` : name)
      continue
    }
    const meant = nearest(name, Object.keys(known))
    findings.error(
      at,
      `there is no such field; ${meant ? `did you mean ${meant}?` : `there are ${Object.keys(known).join(', ')}`}`,
      codes.unknown,
    )
  }
  for (const [name, { required }] of Object.entries(known)) {
    if (required && value[name] === undefined) findings.error(within(path, name), 'is required')
  }
}

function checkSupport({ kind, findings }: Context, path: string, pattern: string): void {
  const support = supportOf(kind, pattern)
  if (support?.refused) findings.error(path, `is not supported: ${support.refused}`, codes.refused)
  if (support?.ignored) findings.warn(path, `has no effect: ${support.ignored}`, codes.ignored)
}

function typeFault({ type, values }: Field, value: unknown): string | undefined {
  const found = Array.isArray(value) ? 'list' : value === null ? 'nothing' : typeof value
  const wanted = type === 'map' ? 'object' : type
  if (!wanted.split(' or ').includes(found))
    return `must be ${article(wanted)}, is ${found === 'nothing' ? found : article(found)}${hint(wanted, value)}`
  if (!values || values.includes(value as string)) return undefined
  const meant = nearest(value as string, values)
  return `${JSON.stringify(value)} is none of ${values.join(', ')}${meant ? `; did you mean ${meant}?` : ''}`
}

const article = (type: string): string => `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`

function hint(wanted: string, value: unknown): string {
  if (wanted === 'string' && (typeof value === 'number' || typeof value === 'boolean')) return `; write "${value}"`
  if (wanted === 'number' && typeof value === 'string' && value.trim() && !Number.isNaN(Number(value)))
    return `; write ${Number(value)} without quotes`
  if (wanted === 'list' && typeof value === 'object') return '; write - before its first line'
  return ''
}

/** What only Istio's own validators know: whole numbers, ranges, lengths, fields that exclude each other. */
function report({ instancePath, keyword, params, message }: Complaint, spec: unknown, findings: Findings): void {
  const { path, value } = resolvePointer(instancePath, spec)
  if (keyword === 'required' || keyword === 'not' || keyword === 'anyOf') return
  if (keyword === 'oneOf') {
    for (const group of alternatives) {
      const given = group.filter((name) => (value as Record<string, unknown> | undefined)?.[name] !== undefined)
      if (given.length > 1) findings.error(path, `only one of ${given.join(' and ')} can be given`)
    }
    return
  }
  if (findings.failedAt(path)) return
  if (keyword === 'type') return findings.error(path, `must be ${article(String(params['type']))}`, codes.type)
  findings.error(path, keyword === 'format' ? `must be a ${String(params['format'])}` : (message ?? 'is invalid'))
}

function resolvePointer(pointer: string, spec: unknown): { path: string; value: unknown } {
  let path = ''
  let value: unknown = { spec }
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    path = within(path, Array.isArray(value) ? Number(name) : name)
    value = (value as Record<string, unknown> | undefined)?.[name]
  }
  return { path, value }
}

function entries(value: unknown): [string | number, unknown][] {
  return Array.isArray(value) ? value.map((item, position) => [position, item]) : Object.entries(value as object)
}
