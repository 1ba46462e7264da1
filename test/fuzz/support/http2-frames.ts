/** HTTP/2 frames (RFC 9113 §4, §6) and header blocks (RFC 7541), written without any of the checks that a library makes. */

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
export const types = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const
export const endStream = 1
export const endHeaders = 4

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header block of literals that enter no table, without Huffman coding; names and values are latin1 and go as they are. */
export function headerBlock(headers: [name: string, value: string][]): Buffer {
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

export const settings = (entries: [id: number, value: number][] = []): Buffer =>
  frame(
    types.settings,
    0,
    0,
    Buffer.concat(
      entries.map(([id, value]) => {
        const entry = Buffer.alloc(6)
        entry.writeUInt16BE(id)
        entry.writeUInt32BE(value, 2)
        return entry
      }),
    ),
  )

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** The frames in `bytes`, but for an incomplete last one. */
export function* frames(bytes: Buffer): Generator<{ type: number; stream: number }> {
  for (let at = 0; at + 9 <= bytes.length;) {
    const end = at + 9 + bytes.readUIntBE(at, 3)
    if (end > bytes.length) return
    yield { type: bytes.readUInt8(at + 3), stream: bytes.readUInt32BE(at + 5) }
    at = end
  }
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([integer(bytes.length), bytes])
}

/** An integer with a prefix of 7 bits (RFC 7541 §5.1). */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value])
  const bytes = [127]
  let rest = value - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  bytes.push(rest)
  return Buffer.from(bytes)
}
