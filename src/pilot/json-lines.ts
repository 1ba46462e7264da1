import { StringDecoder } from 'node:string_decoder'
import { problem } from '../common/problem.ts'

/** A transaction is one line, and a platform's first sync is one transaction; characters. */
const longest = 256 * 1024 * 1024

export const LineTooLong = problem('MESH_LINE_TOO_LONG', 502, () => `a line of the stream is longer than ${longest} characters`)

/**
 * The JSON values of an NDJSON stream, in batches of those that arrived together. A last line without its end is dropped,
 * since it may be cut off. Throws `LineTooLong`, and `SyntaxError` for a line that is no JSON.
 */
export async function* jsonLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<unknown[]> {
  const decoder = new StringDecoder('utf8')
  let pieces: string[] = []
  let length = 0
  for await (const chunk of stream) {
    const lines = decoder.write(Buffer.from(chunk)).split('\n')
    const rest = lines.pop() ?? ''
    if (lines.length) {
      lines[0] = pieces.join('') + lines[0]
      pieces = []
      length = 0
      yield lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as unknown)
    }
    pieces.push(rest)
    length += rest.length
    if (length > longest) throw LineTooLong()
  }
}
