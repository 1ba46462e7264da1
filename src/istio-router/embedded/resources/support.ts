import { fromBinary, isFieldSet, type DescMessage, type Message, type MessageShape } from '@bufbuild/protobuf'
import type { Any, Duration } from '@bufbuild/protobuf/wkt'

/** A resource asks for something that this engine does not do; the message names the field and is what pilot is told. */
export class Unsupported extends Error {
  constructor(field: string, detail = 'is not supported by the embedded engine') {
    super(`${field}: ${detail}`)
    this.name = 'Unsupported'
  }
}

/** The fields of a message that are understood, by their proto names; an object goes into a message field. */
export interface Supported {
  [field: string]: true | Supported
}

/** Throws `Unsupported` for the first field that is set in `message` and not in `supported`. */
export function requireSupported(schema: DescMessage, message: Message, supported: Supported, path = ''): void {
  const unknown = message.$unknown?.[0]
  if (unknown) throw new Unsupported(`${path}${schema.name} field ${unknown.no}`)
  for (const field of schema.fields) {
    if (!isFieldSet(message, field)) continue
    const inner = supported[field.name]
    if (inner === undefined) throw new Unsupported(path + field.name)
    if (inner === true || !field.message) continue
    const name = field.oneof ? field.oneof.localName : field.localName
    const held = (message as unknown as Record<string, unknown>)[name]
    const value = field.oneof ? (held as { value: unknown }).value : held
    if (Array.isArray(value)) {
      value.forEach((item: Message, index) => requireSupported(field.message, item, inner, `${path}${field.name}[${index}].`))
    } else {
      requireSupported(field.message, value as Message, inner, `${path}${field.name}.`)
    }
  }
}

/** Unpacks `any`, which must hold a `schema`, with no field set outside `supported`. */
export function unpack<Desc extends DescMessage>(
  schema: Desc,
  any: Any | undefined,
  supported: Supported,
  path: string,
): MessageShape<Desc> {
  if (!any) throw new Unsupported(path, 'has no typed_config')
  if (!any.typeUrl.endsWith(`/${schema.typeName}`)) throw new Unsupported(path, `${any.typeUrl} is not supported by the embedded engine`)
  const message = fromBinary(schema, any.value)
  requireSupported(schema, message, supported, `${path}.`)
  return message
}

/** The longest that Node's timers wait, 24 days; they take what is longer for a millisecond. */
const longest = 2 ** 31 - 1

/** A protobuf duration in milliseconds, or the longest where it is longer; `fallback` where it is not set. */
export function millis(duration: Duration | undefined, fallback: number): number {
  return duration ? Math.min(longest, Number(duration.seconds) * 1000 + duration.nanos / 1e6) : fallback
}
