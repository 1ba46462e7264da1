import { WireType } from '@bufbuild/protobuf/wire'

/**
 * Messages put together from their fields' bytes, a character a byte: for those of which there are as many as routes, since this costs a
 * fifth of building a message as an object and encoding it. What a field is called comes from its schema.
 */
export type Bytes = string

interface Field {
  number: number
}

const character = (code: number): Bytes => String.fromCharCode(code)
const characters = Array.from({ length: 256 }, (_, code) => character(code))

function varint(value: number): Bytes {
  return value < 128 ? characters[value]! : characters[(value & 127) | 128]! + varint(value >>> 7)
}

const ascii = /^[\0-\x7f]*$/
const utf8 = (value: string): Bytes => (ascii.test(value) ? value : Buffer.from(value).toString('latin1'))

const tag = (number: number, type: WireType): Bytes => varint((number << 3) | type)

/** Makes a field of text, which is there also where it is empty. */
export function text({ number }: Field): (value: string) => Bytes {
  const start = tag(number, WireType.LengthDelimited)
  return (value) => {
    const bytes = utf8(value)
    return start + varint(bytes.length) + bytes
  }
}

/** Makes a field of a whole number, up to 32 bits. */
export function whole({ number }: Field): (value: number) => Bytes {
  const start = tag(number, WireType.Varint)
  return (value) => start + varint(value)
}

/** Makes a field that is a message of these fields, and of as many bytes as are said, which are to follow. */
export function message({ number }: Field): (fields: Bytes, more?: number) => Bytes {
  const start = tag(number, WireType.LengthDelimited)
  return (fields, more = 0) => start + varint(fields.length + more) + fields
}

/** Makes an entry of a map from texts to messages. */
export function entry(field: Field): (key: string, fields: Bytes) => Bytes {
  const [whole, name, value] = [message(field), text({ number: 1 }), message({ number: 2 })]
  return (key, fields) => whole(name(key) + value(fields))
}

const structField = entry({ number: 1 })
const stringValue = text({ number: 3 })

/** The fields of a `google.protobuf.Struct` of texts; what is undefined is left out. */
export function struct(values: Record<string, string | undefined>): Bytes {
  let fields = ''
  for (const name in values) {
    const value = values[name]
    if (value !== undefined) fields += structField(name, stringValue(value))
  }
  return fields
}

/** The bytes of a message of these fields. */
export const bytesOf = (fields: Bytes): Buffer<ArrayBuffer> => Buffer.from(fields, 'latin1')
