import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { setImmediate as breathe } from 'node:timers/promises'

/** Messages decoded before other work gets its turn. */
const atOnce = 500

/**
 * Decodes the messages of repeated field `field` one by one, so that an answer of 200,000 of them neither blocks the event
 * loop nor stands in memory twice. Other fields are given to `other`, bytes that are no such message to `invalid`.
 */
export async function* decodeRepeated<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  field: number,
  { other, invalid }: { other: (field: number, value: Uint8Array) => void; invalid: (error: unknown) => never },
): AsyncGenerator<MessageShape<Desc>> {
  const reader = new BinaryReader(bytes)
  const attempt = <T>(read: () => T): T => {
    try {
      return read()
    } catch (error) {
      return invalid(error)
    }
  }
  for (let decoded = 0; reader.pos < reader.len;) {
    const [number, wireType] = attempt(() => reader.tag())
    if (wireType !== WireType.LengthDelimited) {
      attempt(() => reader.skip(wireType, number))
      continue
    }
    const value = attempt(() => reader.bytes())
    if (number !== field) {
      other(number, value)
      continue
    }
    yield attempt(() => fromBinary(schema, value))
    if (++decoded % atOnce === 0) await breathe()
  }
}
