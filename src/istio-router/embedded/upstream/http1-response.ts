import { isFieldLine, isLength } from '../http/syntax.ts'

/** Largest header of a response, and largest section of trailers, in bytes (Envoy's default). */
const largestSection = 61_440
/** Bytes of lines that are made text at a time; most heads are shorter. */
const pieceSize = 1024

/** What an endpoint sent is no HTTP/1.1, or could be read in two ways. */
export class BadResponse extends Error {}

/** What a response consists of before its end. */
export interface ResponseEvents {
  /** A head with a status below 200; others follow. */
  informational(status: number, headers: string[]): void
  head(status: number, headers: string[]): void
  /** `chunk` is only valid during the call. */
  data(chunk: Buffer): void
}

/** How a response ended: with its trailers; or in a switch of protocols, to which the bytes that follow belong. */
export type ResponseEnd = { trailers: string[] } | { switched: string[] }

/**
 * Reads HTTP/1.1 responses strictly (RFC 9112): names become lower case, line ends are CRLF, and there is one way to tell where a body
 * ends.
 */
export class ResponseReader {
  /** Defined once the response is whole. */
  ended: ResponseEnd | undefined
  /** False where the endpoint closes the connection behind this response. */
  reusable = true
  /** Milliseconds that the connection can be idle, as far as the endpoint says. */
  idleTime = Infinity
  readonly #events: ResponseEvents
  /** Takes bytes from a position on and returns how far it got; undefined where none are awaited. */
  #step: ((chunk: Buffer, at: number) => number) | undefined
  #onLine: (line: string) => void = () => {}
  #line = ''
  #sectionBytes = 0
  #method = ''
  #upgrade = false
  #status = 0
  #fields: string[] = []
  /** Bytes of the body, or of its chunk, that are still to come. */
  #left = 0

  constructor(events: ResponseEvents) {
    this.#events = events
  }

  /** Awaits the response to a request. */
  begin(method: string, upgrade: boolean): void {
    this.#method = method
    this.#upgrade = upgrade
    this.ended = undefined
    this.#awaitHead()
  }

  /** Awaits nothing more. */
  stop(): void {
    this.#step = undefined
  }

  /** Reads what has come; returns how many bytes belong to the response. Throws `BadResponse`. */
  read(chunk: Buffer): number {
    let at = 0
    while (at < chunk.length && this.#step) at = this.#step(chunk, at)
    return at
  }

  /** The endpoint has ended the connection; some responses end with it. */
  close(): void {
    if (this.#step === this.#readRest) this.#end({ trailers: [] })
  }

  #awaitHead(): void {
    this.reusable = true
    this.idleTime = Infinity
    this.#section(this.#readStatus)
  }

  /** Begins a section of lines. */
  #section(onLine: (line: string) => void): void {
    this.#fields = []
    this.#sectionBytes = 0
    this.#line = ''
    this.#onLine = onLine
    this.#step = this.#readLines
  }

  /** Takes many lines from a piece of text, since to make one of bytes costs more than to read it. */
  readonly #readLines = (chunk: Buffer, at: number): number => {
    const text = chunk.toString('latin1', at, at + pieceSize)
    let start = 0
    while (this.#step === this.#readLines) {
      const found = text.indexOf('\n', start)
      const end = found < 0 ? text.length : found
      this.#sectionBytes += end - start
      if (this.#sectionBytes > largestSection) throw new BadResponse(`the header is larger than ${largestSection} bytes`)
      const line = this.#line + text.slice(start, end)
      if (found < 0) {
        this.#line = line
        return at + end
      }
      if (!line.endsWith('\r')) throw new BadResponse('a line does not end with CRLF')
      this.#line = ''
      this.#onLine(line.slice(0, -1))
      start = end + 1
    }
    return at + start
  }

  readonly #readStatus = (line: string): void => {
    const [, minor, status] = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t -~\x80-\xff]*)?$/.exec(line) ?? []
    if (status === undefined) throw new BadResponse('the status line is no HTTP/1.1')
    this.#status = Number(status)
    if (minor === '0') this.reusable = false
    this.#onLine = this.#readHeader
  }

  readonly #readHeader = (line: string): void => {
    if (line === '') this.#headEnded()
    else this.#addField(line)
  }

  readonly #readTrailer = (line: string): void => {
    if (line === '') this.#end({ trailers: this.#fields })
    else this.#addField(line)
  }

  #addField(line: string): void {
    const colon = line.indexOf(':')
    if (!isFieldLine(line)) throw new BadResponse('a header cannot be read')
    this.#fields.push(line.slice(0, colon).toLowerCase(), trimmed(line, colon + 1))
  }

  #headEnded(): void {
    const headers = this.#fields
    const status = this.#status
    if (status === 101) {
      if (!this.#upgrade) throw new BadResponse('the protocol was switched unasked')
      this.#end({ switched: headers })
      return
    }
    if (status < 200) {
      this.#awaitHead()
      this.#events.informational(status, headers)
      return
    }
    const { body, length } = this.#framing(headers)
    if (body === 'none') {
      this.#events.head(status, headers)
      this.#end({ trailers: [] })
      return
    }
    this.#left = length
    if (body === 'chunked') this.#section(this.#readChunkSize)
    else this.#step = body === 'sized' ? this.#readSized : this.#readRest
    this.#events.head(status, headers)
  }

  /** How the body ends (RFC 9112 §6.3), and whether the connection goes on behind it. */
  #framing(headers: string[]): { body: 'none' | 'sized' | 'chunked' | 'rest'; length: number } {
    let encoding: string | undefined
    let size: string | undefined
    for (let i = 0; i < headers.length; i += 2) {
      const value = headers[i + 1]!
      switch (headers[i]) {
        case 'transfer-encoding':
          encoding = encoding === undefined ? value.toLowerCase() : `${encoding},${value}`
          break
        case 'content-length':
          if (size !== undefined || !isLength(value)) throw new BadResponse('the content length cannot be read')
          size = value
          break
        case 'connection':
          this.#readConnection(value.toLowerCase())
          break
        case 'keep-alive':
          this.idleTime = Math.min(this.idleTime, idleTimeOf(value))
          break
      }
    }
    if (encoding !== undefined && (size !== undefined || (encoding !== 'chunked' && encoding !== 'identity')))
      throw new BadResponse('the transfer encoding cannot be read')
    if (this.#method === 'HEAD' || this.#status === 204 || this.#status === 304 || Number(size) === 0) return { body: 'none', length: 0 }
    if (encoding === 'chunked') return { body: 'chunked', length: 0 }
    if (size !== undefined) return { body: 'sized', length: Number(size) }
    this.reusable = false
    return { body: 'rest', length: 0 }
  }

  #readConnection(value: string): void {
    if (value === 'keep-alive') this.reusable = true
    else if (/(^|[\t ,])close($|[\t ,])/.test(value)) this.reusable = false
  }

  readonly #readSized = (chunk: Buffer, at: number): number => {
    const end = this.#pass(chunk, at)
    if (this.#left === 0) this.#end({ trailers: [] })
    return end
  }

  readonly #readRest = (chunk: Buffer, at: number): number => {
    this.#events.data(at === 0 ? chunk : chunk.subarray(at))
    return chunk.length
  }

  readonly #readChunkSize = (line: string): void => {
    const [, size] = /^([0-9a-f]{1,12})(?:;[\t -~\x80-\xff]*)?$/i.exec(line) ?? []
    if (size === undefined) throw new BadResponse('the size of a chunk cannot be read')
    this.#left = Number.parseInt(size, 16)
    if (this.#left === 0) this.#section(this.#readTrailer)
    else this.#step = this.#readChunk
  }

  readonly #readChunk = (chunk: Buffer, at: number): number => {
    const end = this.#pass(chunk, at)
    if (this.#left === 0 && this.#step) this.#section(this.#readChunkEnd)
    return end
  }

  readonly #readChunkEnd = (line: string): void => {
    if (line !== '') throw new BadResponse('a chunk is longer than its size')
    this.#section(this.#readChunkSize)
  }

  /** Passes on what is there of the body, or of its chunk. */
  #pass(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left)
    this.#left -= end - at
    this.#events.data(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end))
    return end
  }

  #end(end: ResponseEnd): void {
    if (!this.#step) return
    this.stop()
    this.ended = end
  }
}

/** What stands from a position on, without spaces and tabs around it. */
function trimmed(line: string, from: number): string {
  let start = from
  let end = line.length
  while (start < end && isSpace(line.charCodeAt(start))) start++
  while (end > start && isSpace(line.charCodeAt(end - 1))) end--
  return line.slice(start, end)
}

const isSpace = (code: number): boolean => code === 32 || code === 9

/** Milliseconds of `timeout=SECONDS`, less one second in which a request might meet the close. */
function idleTimeOf(value: string): number {
  const seconds = /timeout=["' ]*(\d+)/i.exec(value)?.[1]
  return seconds === undefined ? Infinity : Math.max(0, Number(seconds) * 1000 - 1000)
}
