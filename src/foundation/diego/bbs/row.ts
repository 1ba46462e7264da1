import { create, type DescMessage, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf'
import { BinaryWriter } from '@bufbuild/protobuf/wire'

/** Field 2 with length: where every list answer of BBS has its elements. */
const elementTag = (2 << 3) | 2

/** One version of a message, never changed, with its bytes as an element of a list answer, made once when first asked for. */
export class Row<Schema extends DescMessage> {
  readonly message: MessageShape<Schema>
  readonly #schema: Schema
  #element: Uint8Array | undefined

  constructor(schema: Schema, message: MessageShape<Schema>) {
    this.#schema = schema
    this.message = message
  }

  get element(): Uint8Array {
    return (this.#element ??= new BinaryWriter().uint32(elementTag).bytes(toBinary(this.#schema, this.message)).finish())
  }
}

/** A new message with the fields of `message` but for `changes`. What is not changed is shared, unknown fields included. */
export function revised<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>, changes: MessageInitShape<Schema>): MessageShape<Schema> {
  const { $typeName: _, ...fields } = message
  return create(schema, { ...fields, ...changes })
}
