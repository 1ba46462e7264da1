import { Ajv, type ValidateFunction } from 'ajv'
import { Type, type Static, type TSchema } from 'typebox'
import { routeKey, type PlatformKind, type Records, type Route, type RouteOptions } from '../mesh/records.ts'
import { describeFault } from '../common/config.ts'

const closed = { additionalProperties: false } as const
const Guid = Type.String({ minLength: 1, maxLength: 200 })
const Port = Type.Integer({ minimum: 0, maximum: 65535 })
const Labels = Type.Record(Type.String(), Type.String())

/** The schema of each kind's value that a source sends, as `src/mesh/records.ts` has its type. */
const recordSchemas = {
  organization: Type.Object({ name: Type.String(), suspended: Type.Optional(Type.Literal(true)) }, closed),
  space: Type.Object({ name: Type.String(), organization: Guid }, closed),
  app: Type.Object({ name: Type.String(), space: Guid, labels: Labels, annotations: Labels }, closed),
  process: Type.Object({ app: Guid, type: Type.String({ minLength: 1 }), instances: Type.Integer({ minimum: 0 }) }, closed),
  instance: Type.Object(
    {
      process: Guid,
      index: Type.Integer({ minimum: 0 }),
      address: Type.String({ minLength: 1, maxLength: 253 }),
      ports: Type.Array(Type.Object({ app: Port, plain: Port, tls: Port }, closed)),
      zone: Type.String(),
      since: Type.String({ pattern: '^[0-9]{1,19}$' }),
    },
    closed,
  ),
  route: Type.Object(
    {
      host: Type.String({ pattern: '^[^\\sA-Z/]+$', maxLength: 253, description: 'Lower case, without port and trailing dot' }),
      path: Type.String({ pattern: '^(|/\\S*[^/\\s])$', maxLength: 1024, description: 'Empty, or a prefix without trailing slash' }),
      exposure: Type.Enum(['pub', 'int']),
      space: Guid,
      guid: Type.Optional(Guid),
      mirrors: Type.Optional(Type.String({ minLength: 1 })),
      labels: Labels,
      options: Type.Unsafe<RouteOptions>(Type.Object({}, { additionalProperties: true })),
      destinations: Type.Array(
        Type.Object(
          {
            app: Guid,
            type: Type.String({ minLength: 1 }),
            port: Port,
            protocol: Type.Enum(['http1', 'http2']),
            weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
            processes: Type.Array(Guid),
          },
          closed,
        ),
        { minItems: 1 },
      ),
    },
    closed,
  ),
} satisfies Record<PlatformKind, TSchema>

type Values = { [K in PlatformKind]: Static<(typeof recordSchemas)[K]> }
type Platform = Pick<Records, PlatformKind>
/** Fails to compile when a schema and its type drift apart. */
export type SchemasMatch = [Values, Platform] extends [Platform, Values] ? true : never
export const schemasMatch: SchemasMatch = true

const ajv = new Ajv({ allErrors: true, strict: false })
const validators = Object.fromEntries(Object.entries(recordSchemas).map(([kind, schema]) => [kind, ajv.compile(schema)])) as Record<
  PlatformKind,
  ValidateFunction
>

/** What is wrong with a record's value or key, each a sentence that begins with the field's path; empty when all is well. */
export function recordFaults(kind: PlatformKind, key: string, value: unknown): string[] {
  const validate = validators[kind]
  if (!validate(value))
    return (validate.errors ?? []).map((error) => describeFault({ ...error, instancePath: `/value${error.instancePath}` }))
  if (kind === 'route' && key !== routeKey(value as Route)) return [`key: must be ${routeKey(value as Route)}, as the value says`]
  return []
}

/** JSON with the fields of every object in one order, so that equal values are equal text. */
export function canonical(value: unknown): string {
  return JSON.stringify(sorted(value))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  const fields = value as Record<string, unknown>
  const result: Record<string, unknown> = Object.create(null)
  for (const name of Object.keys(fields).sort()) result[name] = sorted(fields[name])
  return result
}
