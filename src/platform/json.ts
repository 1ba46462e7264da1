import { Ajv, type ValidateFunction } from 'ajv'
import type { Static, TSchema } from 'typebox'
import { describeFault } from '../common/config.ts'
import { problem } from '../common/problem.ts'
import type { HttpAnswer } from './http.ts'

export const AnswerNotJson = problem(
  'MESH_ANSWER_NOT_JSON',
  502,
  (url: string, begins: string) => `${url}: the answer is no JSON, it begins with ${JSON.stringify(begins)}`,
)
export const AnswerInvalid = problem('MESH_ANSWER_INVALID', 502, (url: string, fault: string) => `${url}: ${fault}`)

const ajv = new Ajv({ strict: false })
const validators = new WeakMap<TSchema, ValidateFunction>()

/** The body of an answer, checked: fields that the schema does not know are no error, and left out; a wrong one is, by its path. */
export function parseJson<Schema extends TSchema>(schema: Schema, { body }: Pick<HttpAnswer, 'body'>, url: string): Static<Schema> {
  const text = body.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw AnswerNotJson(url, text.slice(0, 40))
  }
  let validate = validators.get(schema)
  if (!validate) validators.set(schema, (validate = ajv.compile(schema)))
  if (!validate(value)) throw AnswerInvalid(url, describeFault(validate.errors![0]!))
  return known(schema, value) as Static<Schema>
}

interface Shape {
  type?: string
  properties?: Record<string, TSchema>
  items?: TSchema
}

/**
 * A checked value with what its schema knows alone, where that lists properties: of 300,000 resources of Cloud Controller the rest is most
 * of the memory, and collecting that is most of the time to read them.
 */
function known(schema: TSchema, value: unknown): unknown {
  const { type, properties, items } = schema as Shape
  if (type === 'array' && items && Array.isArray(value)) return value.map((item) => known(items, item))
  if (type !== 'object' || !properties || typeof value !== 'object' || value === null) return value
  const found: Record<string, unknown> = {}
  for (const name in properties) {
    const field = (value as Record<string, unknown>)[name]
    if (field !== undefined) found[name] = known(properties[name]!, field)
  }
  return found
}
