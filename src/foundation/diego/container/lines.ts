import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/** Longer lines are cut into pieces of this length, characters (Diego's limit is near it). */
const maxLine = 61_440

/** Calls `line` for each line of a stream, without its line end, and for what is left at its end. Holds no more than one line. */
export function readLines(stream: Readable, line: (text: string) => void): void {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const take = (text: string): void => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const whole of lines) emit(whole.endsWith('\r') ? whole.slice(0, -1) : whole)
    while (rest.length >= maxLine) {
      line(rest.slice(0, maxLine))
      rest = rest.slice(maxLine)
    }
  }
  const emit = (text: string): void => {
    for (let at = 0; at < text.length; at += maxLine) line(text.slice(at, at + maxLine))
  }
  stream.on('data', (chunk: Buffer) => take(decoder.write(chunk)))
  stream.once('close', () => emit(rest))
  stream.on('error', () => {})
}

/** Lets through so many bytes in each second; `exceeded` is called at the first that is dropped in one. */
export function limitRate(bytesPerSecond: number | undefined, exceeded: () => void): (text: string) => boolean {
  if (bytesPerSecond === undefined || bytesPerSecond < 0) return () => true
  let second = 0
  let used = 0
  let told = false
  return (text) => {
    const now = Math.floor(Date.now() / 1000)
    if (now !== second) {
      second = now
      used = 0
      told = false
    }
    used += Buffer.byteLength(text)
    if (used <= bytesPerSecond) return true
    if (!told) exceeded()
    told = true
    return false
  }
}
