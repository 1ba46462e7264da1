import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Change } from '../../../src/mesh/records.ts'
import { readTls } from '../../../src/common/tls.ts'
import { tlsFiles } from '../../platform/support/certificates.ts'

interface Report {
  ready: boolean
  held?: { id: string }
  conflicts: unknown[]
  sources: Record<string, { ageMs?: number }>
}

/** Copilot's side of contract 1, in memory. */
export class FakeCopilot {
  readonly records = new Map<string, Change>()
  readonly requests: string[] = []
  /** Statuses that replace the next answers to changes. */
  readonly refusals: number[] = []
  /** Another syncer has our source: changes are refused. */
  superseded = false
  report: Report | undefined
  orders: object = {}
  readonly batches: Change[][] = []
  #epoch: string | null = null
  readonly #server: Server

  constructor() {
    const { cert, key, ca } = readTls(tlsFiles('copilot.service.cf.internal'))
    this.#server = createServer(
      { cert, key, ca, requestCert: true, rejectUnauthorized: true },
      (request, response) => void this.#serve(request, response),
    )
  }

  async listen(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  value(kind: string, key: string): any {
    return this.records.get(`${kind} ${key}`)?.value
  }

  /** As after a restart with its memory of epochs lost. */
  forgetEpoch(): void {
    this.#epoch = null
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'https://copilot')
    this.requests.push(`${request.method} ${url.pathname}`)
    let text = ''
    for await (const part of request) text += String(part)
    const reply = (status: number, body: object | string): void =>
      void response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
    const epoch = url.searchParams.get('epoch')
    if (url.pathname.startsWith('/v1/components/route-syncer/')) {
      this.report = JSON.parse(text) as Report
      return reply(200, { orders: this.orders })
    }
    if (request.method === 'GET') {
      return reply(
        200,
        [...this.records.values(), { commit: { count: this.records.size } }].map((line) => `${JSON.stringify(line)}\n`).join(''),
      )
    }
    if (request.method === 'PUT') {
      const lines = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Change & { commit?: { count: number } })
      const commit = lines.pop()?.commit
      if (commit?.count !== lines.length) return reply(422, { code: 'MESH_COMMIT_MISSING' })
      this.#epoch = epoch
      this.records.clear()
      for (const change of lines) this.records.set(`${change.kind} ${change.key}`, change)
      return reply(200, { revision: 1, added: lines.length, changed: 0, removed: 0 })
    }
    if (this.superseded) return reply(409, { code: 'MESH_EPOCH_SUPERSEDED', message: 'another syncer has since taken over' })
    const refusal = this.refusals.shift()
    if (refusal) return reply(refusal, { code: 'MESH_TEST' })
    if (epoch !== this.#epoch) return reply(409, { code: 'MESH_EPOCH_UNKNOWN' })
    const { changes } = JSON.parse(text) as { changes: Change[] }
    this.batches.push(changes)
    for (const change of changes) {
      if (change.value === null) this.records.delete(`${change.kind} ${change.key}`)
      else this.records.set(`${change.kind} ${change.key}`, change)
    }
    reply(200, { revision: 2 })
  }
}
