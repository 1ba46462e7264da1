import type { Writable } from 'node:stream'

/** Bytes up to which what is there of a body is written at once, without waiting for more. */
const small = 8192
/** Bytes that are written as one. */
const blockSize = 65_536
/** Blocks that are kept for use, so that memory is not allocated for each. */
const mostKept = 64
const kept: Buffer[] = []

/** Writes the body of a response: copies the chunks, gathers what comes in one turn of the event loop, and writes that as one. */
export class BodyWriter {
  readonly #to: Target
  readonly #resume: () => void
  #block: Buffer | undefined
  #length = 0
  #room = true
  #written = false
  #ended = false
  #settling = false

  /** `resume` is called when there is room again, after a `write` that returned false. */
  constructor(to: Target, resume: () => void) {
    this.#to = to
    this.#resume = resume
  }

  /** Has a head leave with what comes of the body in this turn of the event loop, or else alone. */
  begin(): void {
    if (this.#settling) return
    this.#settling = true
    process.nextTick(settle, this)
  }

  /** The chunk is the caller's again when this returns. False asks to wait. */
  write(chunk: Buffer): boolean {
    for (let at = 0; at < chunk.length;) {
      this.#block ??= kept.pop() ?? Buffer.allocUnsafeSlow(blockSize)
      const copied = chunk.copy(this.#block, this.#length, at)
      at += copied
      this.#length += copied
      if (this.#length === blockSize) this.flush()
    }
    if (this.#length > 0) this.begin()
    return this.#room
  }

  /** Writes what is gathered; the little that there may be leaves the block to others. */
  flush(): void {
    const block = this.#block
    const first = !this.#written
    this.#written = true
    this.#settling = false
    if (this.#to.destroyed) return
    if (!block) {
      // A write of nothing, since Node's flushHeaders writes the fields as UTF-8, which their bytes are not to become again.
      if (first && this.#to.flushHeaders) this.#to.write('', 'latin1')
      return
    }
    const bytes = block.subarray(0, this.#length)
    this.#block = undefined
    this.#length = 0
    let room: boolean
    if (bytes.length > small) room = this.#to.write(bytes, () => keep(block))
    else {
      room = this.#to.write(Buffer.from(bytes))
      keep(block)
    }
    if (room || !this.#room) return
    this.#room = false
    this.#to.once('drain', () => {
      this.#room = true
      this.#resume()
    })
  }

  /** Writes what is gathered at the end of this turn, or at once where it is little. */
  settle(): void {
    if (this.#ended) return
    if (this.#length > small) setImmediate(flush, this)
    else this.flush()
  }

  /** Ends the body when this turn is over, with those of others: a client of several connections wakes once for them. */
  endWithTurn(): void {
    this.#ended = true
    setImmediate(end, this)
  }

  /** Ends the body. A small one goes with its head in one write, as text, which as a buffer takes a list of two. */
  end(): void {
    this.#ended = true
    const block = this.#block
    if (!block || this.#length > small) {
      if (block) this.flush()
      this.#to.end()
      return
    }
    this.#to.end(block.toString('latin1', 0, this.#length), 'latin1')
    this.#block = undefined
    this.#length = 0
    keep(block)
  }
}

function keep(block: Buffer): void {
  if (kept.length < mostKept) kept.push(block)
}

const settle = (writer: BodyWriter): void => writer.settle()
const flush = (writer: BodyWriter): void => writer.flush()
const end = (writer: BodyWriter): void => writer.end()

type Target = Writable & { flushHeaders?(): void }
