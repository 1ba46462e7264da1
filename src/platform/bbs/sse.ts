import { problem } from '../../common/problem.ts'

export const EventTooLong = problem('MESH_EVENT_TOO_LONG', 502, (limit: number) => `an event of the stream is longer than ${limit} bytes`)

export interface ServerSentEvent {
  name: string
  data: string
}

/** Longest event, bytes. */
const longestEvent = 32 << 20

/** Takes `text/event-stream` apart (WHATWG HTML, 9.2) as its bytes come. Throws `EventTooLong`. */
export class SseDecoder {
  #lines: Buffer[] = []
  #length = 0
  #name = ''
  #data: string[] = []

  /** The events that `bytes` complete. */
  decode(bytes: Buffer): ServerSentEvent[] {
    const events: ServerSentEvent[] = []
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      this.#take(bytes.subarray(from, end))
      from = end + 1
      const line = Buffer.concat(this.#lines).toString('utf8').replace(/\r$/, '')
      this.#lines = []
      const event = this.#line(line)
      if (event) events.push(event)
    }
    this.#take(bytes.subarray(from))
    return events
  }

  #take(part: Buffer): void {
    this.#length += part.length
    if (this.#length > longestEvent) throw EventTooLong(longestEvent)
    if (part.length) this.#lines.push(part)
  }

  #line(line: string): ServerSentEvent | undefined {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.#name = value
    else if (field === 'data') this.#data.push(value)
    return undefined
  }

  #dispatch(): ServerSentEvent | undefined {
    const event = this.#data.length ? { name: this.#name, data: this.#data.join('\n') } : undefined
    this.#name = ''
    this.#data = []
    this.#length = 0
    return event
  }
}
