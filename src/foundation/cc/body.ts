import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { Type, type Static, type TSchema } from 'typebox'
import { messageParseError, unprocessable } from './errors.ts'

const ajv = new Ajv({ allErrors: true, strict: false, verbose: true, discriminator: true })
const validators = new WeakMap<TSchema, ValidateFunction>()

/** A closed object, as every body of Cloud Controller's is. */
export const Body = <Properties extends Record<string, TSchema>>(properties: Properties, options: Record<string, unknown> = {}) =>
  Type.Object(properties, { additionalProperties: false, ...options })

/** `type` or null. `detail` in the options replaces the sentence that tells of a fault. */
export const Nullable = {
  string: (options: Record<string, unknown> = {}) => Type.Unsafe<string | null>({ type: ['string', 'null'], ...options }),
  integer: (options: Record<string, unknown> = {}) => Type.Unsafe<number | null>({ type: ['integer', 'null'], ...options }),
}

const Guid = Type.String({ minLength: 1, maxLength: 200 })

/** `{"data":{"guid":…}}` */
export const ToOne = Body({ data: Body({ guid: Guid }) }, { structure: '{"data": {"guid": "valid-guid"}}' })

/** The same, or `{"data":null}`. */
export const ToOneOrNull = Body(
  { data: Type.Union([Body({ guid: Guid }), Type.Null()]) },
  { structure: '{"data": {"guid": "valid-guid"}}' },
)

/** `{"data":[{"guid":…},…]}` */
export const ToMany = Body(
  { data: Type.Array(Body({ guid: Guid })) },
  { structure: '{"data": [{"guid": "valid-guid"},{"guid": "valid-guid"}]}' },
)

/** A resource's name. */
export const Name = Type.String({ minLength: 1, maxLength: 255, pattern: '\\S' })

/**
 * The body of a request, checked. Throws UnprocessableEntity with Cloud Controller's sentences for every fault,
 * MessageParseError where the body is no object.
 */
export function parseBody<Schema extends TSchema>(schema: Schema, body: unknown): Static<Schema> {
  const value = body ?? {}
  if (typeof value !== 'object' || Array.isArray(value)) throw messageParseError('invalid request body')
  const faults = bodyFaults(schema, value)
  if (faults.length) throw unprocessable(faults.join(', '))
  return value as Static<Schema>
}

/** The sentences that tell what is wrong with `value`. */
export function bodyFaults(schema: TSchema, value: unknown): string[] {
  let validate = validators.get(schema)
  if (!validate) validators.set(schema, (validate = ajv.compile(schema)))
  return validate(value) ? [] : sentences(validate.errors ?? [])
}

function sentences(errors: ErrorObject[]): string[] {
  const unknown = new Map<string, string[]>()
  const said = new Set<string>()
  for (const error of errors) {
    const structured = structure(error)
    if (structured) said.add(structured)
    else if (error.keyword === 'additionalProperties') {
      const fields = unknown.get(error.instancePath) ?? []
      unknown.set(error.instancePath, [...fields, error.params['additionalProperty'] as string])
    } else if (!['anyOf', 'oneOf', 'const', 'if'].includes(error.keyword)) said.add(sentence(error))
  }
  const extra = [...unknown].map(([path, fields]) => `${prefix(path)}Unknown field(s): '${fields.join("', '")}'`)
  return [...extra, ...said].map((text) => text.trim())
}

/** A relationship of the wrong form is told by the form that it should have. */
function structure({ instancePath, schemaPath, parentSchema, keyword }: ErrorObject): string | undefined {
  const parts = instancePath.split('/').slice(1)
  const at = parts.indexOf('relationships')
  if (at < 0) return undefined
  const own = (parentSchema as { structure?: string }).structure
  const name = parts[at + 1]
  if (!name || (keyword === 'required' && !own && !schemaPath.includes('/data'))) return undefined
  const form = schemaPath.includes('/items') || /"data": \[/.test(own ?? '') ? ToMany : ToOne
  return `Relationships ${humanize(name)} must be structured like this: "${name}: ${(form as { structure?: string }).structure}"`
}

function sentence({ instancePath, keyword, params, parentSchema, data }: ErrorObject): string {
  if (keyword === 'required') return `${prefix(`${instancePath}/${params['missingProperty'] as string}`)}can't be blank`
  const told = (parentSchema as { detail?: string }).detail
  return `${prefix(instancePath)}${told ?? complaint(keyword, params, data)}`
}

function complaint(keyword: string, params: Record<string, unknown>, data: unknown): string {
  const { limit } = params as { limit?: number }
  if (keyword === 'type') return mustBe(params['type'] as string | string[])
  if (keyword === 'enum') return `must be one of: ${(params['allowedValues'] as unknown[]).map((value) => `'${String(value)}'`).join(', ')}`
  if (keyword === 'minLength' && data === '') return "can't be blank"
  if (keyword === 'minLength') return `is too short (minimum is ${limit} characters)`
  if (keyword === 'maxLength') return `is too long (maximum is ${limit} characters)`
  if (keyword === 'minimum') return `must be greater than or equal to ${limit}`
  if (keyword === 'exclusiveMinimum') return `must be greater than ${limit}`
  if (keyword === 'maximum') return `must be less than or equal to ${limit}`
  if (keyword === 'pattern') return typeof data === 'string' && !data.trim() ? "can't be blank" : 'is invalid'
  return `is invalid (${keyword})`
}

function mustBe(type: string | string[]): string {
  const [first] = [type].flat()
  if (first === 'integer' || first === 'number') return 'is not a number'
  return `must be ${first === 'object' || first === 'array' ? 'an' : 'a'} ${first}`
}

function prefix(pointer: string): string {
  const parts = pointer
    .split('/')
    .slice(1)
    .filter((part) => !/^\d+$/.test(part))
  return parts.length ? `${parts.map(humanize).join(' ')} ` : ''
}

/** `health_check` → `Health check`. */
function humanize(field: string): string {
  const words = field.replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
