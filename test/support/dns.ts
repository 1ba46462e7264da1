import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** The type of a question for IPv4 addresses; those for others have no answer. */
const ipv4 = 1

/** A DNS server (RFC 1035, over UDP) that knows what `addresses` says now; other names do not exist. */
export class DnsServer {
  readonly addresses = new Map<string, string[]>()
  readonly #socket: Socket = createSocket('udp4')

  static async start(): Promise<DnsServer> {
    const server = new DnsServer()
    server.#socket.on('message', (query, from) => server.#socket.send(server.#answer(query), from.port, from.address))
    server.#socket.bind(0, '127.0.0.1')
    await once(server.#socket, 'listening')
    return server
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  stop(): void {
    this.#socket.close()
  }

  #answer(query: Buffer): Buffer {
    const labels: string[] = []
    let at = 12
    for (; query[at] !== 0; at += query[at]! + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!))
    const question = query.subarray(12, at + 5)
    const known = this.addresses.get(labels.join('.').toLowerCase())
    const records = query.readUInt16BE(at + 1) === ipv4 ? (known ?? []).map(record) : []
    const head = Buffer.alloc(12)
    query.copy(head, 0, 0, 2)
    // An answer, with authority; 3: there is no such name.
    head.writeUInt16BE(0x8580 | (known ? 0 : 3), 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(records.length, 6)
    return Buffer.concat([head, question, ...records])
  }
}

/** The record of an address, for the name that was asked; it lives a second. */
function record(address: string): Buffer {
  const fixed = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4])
  return Buffer.concat([fixed, Buffer.from(address.split('.').map(Number))])
}
