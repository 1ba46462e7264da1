import { problem } from '../../common/problem.ts'

export const ChunkMalformed = problem(
  'MESH_CHUNK_MALFORMED',
  502,
  (line: string) => `the stream has a chunk header ${JSON.stringify(line)}`,
)

/** Longest line that a chunk header or a trailer may be, bytes. */
const longestLine = 1024
/** Longest chunk, bytes. */
const longestChunk = 64 << 20

/**
 * Takes a body in chunked transfer coding (RFC 9112, 7.1) apart as its bytes come. Chunk extensions are ignored, also an
 * empty one: BBS ends every chunk header in `;`, which Node's own parser refuses. Throws `ChunkMalformed`.
 */
export class ChunkedDecoder {
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of the present chunk still to come; -1 between chunks. */
  #left = -1
  #ended = false

  /** The last chunk was seen. */
  get ended(): boolean {
    return this.#ended
  }

  /** The content in `bytes`, in as many pieces as the chunks have. */
  decode(bytes: Buffer): Buffer[] {
    const content: Buffer[] = []
    let input = this.#rest.length ? Buffer.concat([this.#rest, bytes]) : bytes
    while (!this.#ended && input.length) {
      if (this.#left > 0) {
        const piece = input.subarray(0, this.#left)
        content.push(piece)
        this.#left -= piece.length
        input = input.subarray(piece.length)
        continue
      }
      const end = input.indexOf('\n')
      if (end < 0) {
        if (input.length > longestLine) throw ChunkMalformed(input.toString('latin1', 0, 40))
        break
      }
      this.#header(input.toString('latin1', 0, end).replace(/\r$/, ''))
      input = input.subarray(end + 1)
    }
    this.#rest = input
    return content
  }

  /** The line between two chunks: the empty one that ends a chunk, or the next one's header. */
  #header(line: string): void {
    if (this.#left === 0) {
      if (line) throw ChunkMalformed(line.slice(0, 40))
      this.#left = -1
      return
    }
    const size = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(line)?.[1]
    const length = size === undefined ? Number.NaN : Number.parseInt(size, 16)
    if (!(length <= longestChunk)) throw ChunkMalformed(line.slice(0, 40))
    if (length === 0) this.#ended = true
    else this.#left = length
  }
}
