import { create, type DescMessage, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf'
import { BinaryWriter } from '@bufbuild/protobuf/wire'

/** Field 2 with length: where every list answer of BBS has its elements. */
const elementTag = (2 << 3) | 2

/** An element of a list answer. Its bytes are made when first asked for, and kept. */
export class Element {
  #encode: (() => Uint8Array) | undefined
  #bytes: Uint8Array | undefined

  constructor(encode: () => Uint8Array) {
    this.#encode = encode
  }

  static of<Schema extends DescMessage>(schema: Schema, message: () => MessageShape<Schema>): Element {
    return new Element(() => toBinary(schema, message()))
  }

  get bytes(): Uint8Array {
    if (!this.#bytes) {
      this.#bytes = new BinaryWriter().uint32(elementTag).bytes(this.#encode!()).finish()
      this.#encode = undefined
    }
    return this.#bytes
  }
}

/** A new message with the fields of `message` but for `changes`. What is not changed is shared, unknown fields included. */
export function revised<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
  changes: MessageInitShape<Schema>,
): MessageShape<Schema> {
  const { $typeName: _, ...fields } = message
  return create(schema, { ...fields, ...changes })
}
