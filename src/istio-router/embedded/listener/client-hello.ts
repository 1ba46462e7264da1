/**
 * What a connection shows first: a TLS handshake and the name that it asks for, in lower case, or something else. `undefined` asks to see
 * more.
 */
export type FirstBytes = { tls: true; serverName: string | undefined } | { tls: false } | undefined

const handshake = 22
const clientHello = 1
const serverNameExtension = 0
/** More than any client sends. */
const longest = 64 * 1024

/** Reads a ClientHello (RFC 8446 §4.1.2) and its server name (RFC 6066 §3). What is no TLS, or is malformed, is not TLS. */
export function readClientHello(seen: Buffer): FirstBytes {
  const message = handshakeMessage(seen)
  if (message === undefined) return seen.length > longest ? { tls: false } : undefined
  if (message === false) return { tls: false }
  try {
    return { tls: true, serverName: serverNameOf(new Reader(message)) }
  } catch {
    return { tls: false }
  }
}

/** The first handshake message, which may lie in several records; false where it is none. */
function handshakeMessage(seen: Buffer): Buffer | false | undefined {
  const parts: Buffer[] = []
  let length = 0
  for (let at = 0; ;) {
    if (seen.length > at && seen[at] !== handshake) return false
    if (seen.length > at + 1 && seen[at + 1] !== 3) return false
    if (seen.length < at + 5) return undefined
    const size = seen.readUInt16BE(at + 3)
    const part = seen.subarray(at + 5, at + 5 + size)
    parts.push(part)
    length += part.length
    const whole = Buffer.concat(parts)
    if (whole.length && whole[0] !== clientHello) return false
    if (whole.length >= 4 && length >= 4 + whole.readUIntBE(1, 3)) return whole.subarray(4, 4 + whole.readUIntBE(1, 3))
    if (part.length < size) return undefined
    at += 5 + size
  }
}

function serverNameOf(hello: Reader): string | undefined {
  hello.skip(34)
  hello.skip(hello.number(1))
  hello.skip(hello.number(2))
  hello.skip(hello.number(1))
  if (hello.done) return undefined
  const extensions = hello.part(2)
  while (!extensions.done) {
    const type = extensions.number(2)
    const content = extensions.part(2)
    if (type !== serverNameExtension) continue
    const names = content.part(2)
    while (!names.done) {
      const kind = names.number(1)
      const name = names.part(2)
      if (kind === 0) return name.text().toLowerCase()
    }
  }
  return undefined
}

/** Reads numbers and parts of a message; throws where it ends too soon. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  number(size: number): number {
    const value = this.#bytes.readUIntBE(this.#at, size)
    this.#at += size
    return value
  }

  skip(count: number): void {
    if (this.#at + count > this.#bytes.length) throw new RangeError('ends too soon')
    this.#at += count
  }

  /** What stands behind its own length, of `size` bytes. */
  part(size: number): Reader {
    const length = this.number(size)
    const from = this.#at
    this.skip(length)
    return new Reader(this.#bytes.subarray(from, this.#at))
  }

  text(): string {
    return this.#bytes.toString('latin1')
  }
}
