import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { randomUUID } from 'node:crypto'
import type { Change } from '../../mesh/records.ts'
import type { TlsConfig } from '../../common/config.ts'
import { problem, type ProblemBody } from '../../common/problem.ts'
import { HttpClient, type HttpAnswer } from '../../platform/http.ts'

export const CopilotRefused = problem(
  'MESH_COPILOT_REFUSED',
  502,
  (what: string, status: number, why: string) => `copilot: ${what}: answered ${status}: ${why}`,
)
export const ChangesRefused = problem(
  'MESH_COPILOT_CHANGES_REFUSED',
  409,
  (status: number, why: string) => `copilot refused changes, so all records are sent again: ${status}: ${why}`,
)
export const Superseded = problem('MESH_SYNCER_SUPERSEDED', 409, (why: string) => `copilot takes no more records of this syncer: ${why}`)
export const RecordsCut = problem('MESH_RECORDS_CUT', 502, () => 'copilot: the stream of our records ended before its commit line')

/** What operators asked of us. */
export interface Orders {
  acceptSync?: string
}

/** Copilot's side for syncers (contract 1 in docs/architecture.md), for one run of this program. */
export class CopilotClient {
  readonly #http: HttpClient
  readonly #records: string
  readonly #component: string
  readonly #epoch = randomUUID()

  constructor({ url, tls, serverName, source, name }: { url: string; tls: TlsConfig; serverName: string; source: string; name: string }) {
    this.#http = new HttpClient({ url, tls, serverName, timeout: 60_000 })
    this.#records = `/v1/sources/${source}`
    this.#component = `/v1/components/route-syncer/${encodeURIComponent(name)}`
  }

  /** Replaces all that copilot has of this source. Throws `Superseded`. */
  async putAll(records: Iterable<Change>, signal: AbortSignal): Promise<void> {
    const body = Readable.from(lines(records))
    const answer = await this.#http.request({
      method: 'PUT',
      path: `${this.#records}/records?epoch=${this.#epoch}`,
      headers: { 'content-type': 'application/x-ndjson' },
      body,
      signal,
      timeout: 300_000,
    })
    refuseSuperseded(answer)
    check('all records', answer)
  }

  /** Sends changes, at most 5,000. Throws `Superseded`, and `ChangesRefused` where all must be sent again. */
  async post(changes: Change[], signal: AbortSignal): Promise<void> {
    const answer = await this.#http.request({
      method: 'POST',
      path: `${this.#records}/changes?epoch=${this.#epoch}`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ changes }),
      signal,
    })
    refuseSuperseded(answer)
    if (answer.status >= 400 && answer.status < 500) throw ChangesRefused(answer.status, answer.body.toString('utf8', 0, 300))
    check('changes', answer)
  }

  /** What copilot has of this source, each record as the change that brought it. */
  async *own(signal: AbortSignal): AsyncGenerator<Change> {
    const { status, body } = await this.#http.stream({ path: `${this.#records}/records`, signal })
    if (status !== 200) {
      body.destroy()
      throw CopilotRefused('our records', status, 'it gives none')
    }
    for await (const line of createInterface({ input: body })) {
      const entry = JSON.parse(line) as Change | { commit: unknown }
      if ('commit' in entry) return
      yield entry
    }
    throw RecordsCut()
  }

  async report(status: object, signal: AbortSignal): Promise<Orders> {
    const answer = await this.#http.request({
      method: 'PUT',
      path: this.#component,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(status),
      signal,
      timeout: 10_000,
    })
    check('our report', answer)
    const { orders } = JSON.parse(answer.body.toString()) as { orders?: Orders }
    return orders ?? {}
  }

  async close(): Promise<void> {
    await this.#http.close()
  }
}

/** Records as NDJSON in pieces of about 64 KB, closed by the commit line. */
function* lines(records: Iterable<Change>): Generator<string> {
  let piece = ''
  let count = 0
  for (const record of records) {
    piece += `${JSON.stringify(record)}\n`
    count++
    if (piece.length < 65_536) continue
    yield piece
    piece = ''
  }
  yield `${piece}${JSON.stringify({ commit: { count } })}\n`
}

/** Another syncer of our source has committed a full sync since ours: contract 1 has us stop. */
function refuseSuperseded({ status, body }: HttpAnswer): void {
  if (status !== 409) return
  const { code, message } = JSON.parse(body.toString()) as ProblemBody
  if (code === 'MESH_EPOCH_SUPERSEDED') throw Superseded(message)
}

function check(what: string, { status, body }: HttpAnswer): void {
  if (status !== 200) throw CopilotRefused(what, status, body.toString('utf8', 0, 300))
}
