import { LineTooLong } from './problems.ts'

const newline = 0x0a

/**
 * The lines of an NDJSON stream with their numbers from 1, in groups of those that arrived together; empty lines are left
 * out. Throws `MESH_LINE_TOO_LONG`; never holds more than one line and one chunk.
 */
export async function* lines(stream: AsyncIterable<Buffer>, limit: number): AsyncGenerator<{ number: number; text: string }[]> {
  let rest: Buffer[] = []
  let restLength = 0
  let number = 0
  const take = (end: Buffer): { number: number; text: string } => {
    const line = rest.length ? Buffer.concat([...rest, end]) : end
    rest = []
    restLength = 0
    number++
    if (line.length > limit) throw LineTooLong(number, limit)
    return { number, text: line.toString('utf8') }
  }
  const filled = ({ text }: { text: string }): boolean => text.trim() !== ''

  for await (const chunk of stream) {
    const group = []
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      group.push(take(chunk.subarray(start, end)))
      start = end + 1
    }
    rest.push(chunk.subarray(start))
    restLength += chunk.length - start
    if (restLength > limit) throw LineTooLong(number + 1, limit)
    yield group.filter(filled)
  }
  const last = take(Buffer.alloc(0))
  if (filled(last)) yield [last]
}
