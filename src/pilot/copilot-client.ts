import { Agent, request } from 'undici'
import { Type, type Static } from 'typebox'
import { keepTrying, type Backoff } from '../common/backoff.ts'
import { TlsConfig } from '../common/config.ts'
import type { Condition } from '../common/health.ts'
import type { Part } from '../common/lifecycle.ts'
import type { Logger } from '../common/log.ts'
import { messageOf, problem } from '../common/problem.ts'
import { readTls, watchTls, type TlsMaterial } from '../common/tls.ts'
import type { Change } from '../mesh/records.ts'
import { jsonLines } from './json-lines.ts'
import type { SecretContent } from './secret-keeper.ts'

/** Where copilot is. */
export const CopilotClientConfig = Type.Object(
  {
    url: Type.String({ pattern: '^https://', description: "Address of copilot's component API" }),
    serverName: Type.String({ default: 'copilot.service.cf.internal', description: "DNS name that copilot's certificate must bear" }),
    tls: TlsConfig,
  },
  { additionalProperties: false },
)
export type CopilotClientConfig = Static<typeof CopilotClientConfig>

export const WatchRefused = problem(
  'MESH_WATCH_REFUSED',
  502,
  (status: number, body: string) => `copilot answers the watch with ${status}: ${body}`,
)
export const WatchBroken = problem('MESH_WATCH_BROKEN', 502, (why: string) => `copilot's watch is broken: ${why}`)
export const ReportRefused = problem(
  'MESH_REPORT_REFUSED',
  502,
  (status: number, body: string) => `copilot answers a report with ${status}: ${body}`,
)

export const SecretRefused = problem(
  'MESH_SECRET_REFUSED',
  502,
  (status: number, body: string) => `copilot answers the question for a secret with ${status}: ${body}`,
)

/** Takes what copilot tells. What it returns is waited for before more is read, so that copilot feels the backpressure. */
export interface Follower {
  /** A snapshot begins; of one that did not end nothing more comes. */
  begin(): void
  /** A part of the snapshot. */
  read(records: Change[]): Promise<void>
  /** The snapshot is whole, in place of all records before, with the changes that were made while it was sent. */
  finish(changes: Change[]): Promise<void>
  /** The snapshot broke off. */
  abandon(): void
  /** Changes, in order. */
  apply(changes: Change[]): Promise<void>
}

interface Position {
  history: string
  revision: number
}

/** One line of the watch (docs/architecture.md, contract 2). */
type Line = { snapshot: Position } | { records: Change[] } | { synced: Position } | { revision: number; changes: Change[] }

export interface CopilotClientOptions {
  /** Milliseconds of silence after which a stream counts as dead; copilot's heartbeat comes every 5 s. */
  silence?: number
  /** Longest wait between attempts, milliseconds. */
  maxBackoff?: number
}

/** Follows copilot's records for as long as it runs, resuming where it was, and reports to it. */
export class CopilotClient implements Part {
  readonly name = 'copilot'
  readonly #config: CopilotClientConfig
  readonly #follower: Follower
  readonly #log: Logger
  readonly #silence: number
  readonly #maxBackoff: number
  readonly #stopped = new AbortController()
  #agent: Agent | undefined
  #unwatchTls: (() => void) | undefined
  #running: Promise<void> | undefined
  /** What was applied last; the stream resumes after it. */
  #position: Position | undefined
  #connected = false
  #heardAt: number | undefined
  #error: string | undefined

  constructor(
    config: CopilotClientConfig,
    follower: Follower,
    log: Logger,
    { silence = 15_000, maxBackoff = 2000 }: CopilotClientOptions = {},
  ) {
    this.#config = config
    this.#follower = follower
    this.#log = log
    this.#silence = silence
    this.#maxBackoff = maxBackoff
  }

  /** Begins to follow; does not wait for copilot. Throws where a TLS file cannot be read. */
  async start(): Promise<void> {
    this.#useTls(readTls(this.#config.tls))
    this.#unwatchTls = watchTls(this.#config.tls, (material) => this.#useTls(material))
    this.#running = keepTrying((backoff) => this.#follow(backoff), {
      signal: this.#stopped.signal,
      min: 100,
      max: this.#maxBackoff,
      onError: (error) => {
        this.#error = messageOf(error)
        this.#log.warn({ err: error }, 'lost copilot; the last state stays in force')
      },
    })
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#unwatchTls?.()
    await this.#running
    await this.#agent?.destroy()
  }

  /** The last revision that was applied, and of which store; undefined before the first. */
  get position(): Readonly<Position> | undefined {
    return this.#position
  }

  /** Ready once copilot's records have been here; from then on a lost copilot is a reason, no cause to stop serving. */
  condition(): Condition {
    return {
      ready: this.#position !== undefined,
      ...(this.#connected ? {} : { reason: this.#error ?? 'not connected yet' }),
      connected: this.#connected,
      revision: this.#position?.revision,
      ...(this.#heardAt === undefined ? {} : { heardSecondsAgo: Math.round((Date.now() - this.#heardAt) / 100) / 10 }),
    }
  }

  /** Reports the state of a component of `kind`; returns what operators asked of it. Throws `ReportRefused` or a network error. */
  async report(
    kind: string,
    name: string,
    status: { version: string; ready: boolean; [detail: string]: unknown },
  ): Promise<Record<string, unknown>> {
    const url = new URL(`/v1/components/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`, this.#config.url)
    const { statusCode, body } = await request(url, {
      method: 'PUT',
      dispatcher: this.#agent,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(status),
      headersTimeout: 5000,
      bodyTimeout: 5000,
      signal: this.#stopped.signal,
    })
    const text = await body.text()
    if (statusCode !== 200) throw ReportRefused(statusCode, text.slice(0, 200))
    return (JSON.parse(text) as { orders?: Record<string, unknown> }).orders ?? {}
  }

  /** The content of a secret, by its key. Throws `SecretRefused` or a network error. */
  async secret(key: string): Promise<SecretContent> {
    const { statusCode, body } = await request(new URL(`/v1/secrets/${key}`, this.#config.url), {
      dispatcher: this.#agent,
      headersTimeout: 5000,
      bodyTimeout: 5000,
      signal: this.#stopped.signal,
    })
    const text = await body.text()
    if (statusCode !== 200) throw SecretRefused(statusCode, text.slice(0, 200))
    return JSON.parse(text) as SecretContent
  }

  #useTls({ cert, key, ca }: TlsMaterial): void {
    const last = this.#agent
    this.#agent = new Agent({ connect: { cert, key, ca, servername: this.#config.serverName, timeout: 5000 } })
    // The stream of the last agent goes on until it ends by itself.
    void last?.close()
  }

  async #follow(backoff: Backoff): Promise<void> {
    const url = new URL('/v1/watch', this.#config.url)
    if (this.#position)
      url.search = new URLSearchParams({ history: this.#position.history, since: String(this.#position.revision) }).toString()
    const times = { headersTimeout: this.#silence, bodyTimeout: this.#silence }
    const { statusCode, body } = await request(url, { dispatcher: this.#agent, signal: this.#stopped.signal, ...times })
    if (statusCode !== 200) throw WatchRefused(statusCode, (await body.text()).slice(0, 200))
    try {
      await this.#read(jsonLines(body), backoff)
    } finally {
      this.#connected = false
      body.destroy()
    }
    throw WatchBroken('it ended')
  }

  async #read(batches: AsyncIterable<unknown[]>, backoff: Backoff): Promise<void> {
    /** Of a snapshot that is not whole yet: how many records came, and the changes that were made meanwhile. */
    let snapshot: { records: number; changes: Change[] } | undefined
    /** Transactions that arrived together are applied together: a burst is translated once. */
    let burst: { changes: Change[]; revision: number } | undefined
    const flush = async (): Promise<void> => {
      if (!burst || !this.#position) return
      const { changes, revision } = burst
      burst = undefined
      await this.#follower.apply(changes)
      this.#position = { history: this.#position.history, revision }
    }

    try {
      for await (const batch of batches) {
        this.#heardAt = Date.now()
        for (const line of batch.map(asLine)) {
          if ('snapshot' in line) {
            await flush()
            this.#follower.begin()
            snapshot = { records: 0, changes: [] }
          } else if ('records' in line) {
            if (!snapshot) throw WatchBroken('records outside of a snapshot')
            await this.#follower.read(line.records)
            snapshot.records += line.records.length
          } else if ('changes' in line) {
            if (!snapshot && !this.#position) throw WatchBroken('changes before a snapshot')
            if (!snapshot) burst = { changes: burst?.changes ?? [], revision: line.revision }
            const into = (snapshot ?? burst!).changes
            for (const change of line.changes) into.push(change)
          } else {
            await flush()
            if (snapshot) await this.#follower.finish(snapshot.changes)
            if (snapshot || !this.#connected) this.#log.info({ ...line.synced, snapshot: snapshot?.records }, 'following copilot')
            snapshot = undefined
            this.#position = line.synced
            this.#connected = true
            backoff.reset()
          }
        }
        await flush()
      }
    } finally {
      if (snapshot) this.#follower.abandon()
    }
  }
}

function asLine(value: unknown): Line {
  const line = value as Partial<{ snapshot: Position; synced: Position; records: unknown; changes: unknown; revision: unknown }> | null
  if (typeof line === 'object' && line !== null) {
    if (isPosition(line.snapshot)) return { snapshot: line.snapshot }
    if (isPosition(line.synced)) return { synced: line.synced }
    if (isChanges(line.records)) return { records: line.records }
    if (isChanges(line.changes) && Number.isSafeInteger(line.revision)) return { revision: line.revision as number, changes: line.changes }
  }
  throw WatchBroken(`a line is none of its kinds: ${JSON.stringify(value).slice(0, 100)}`)
}

function isPosition(value: unknown): value is Position {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Position).history === 'string' &&
    Number.isSafeInteger((value as Position).revision)
  )
}

function isChanges(value: unknown): value is Change[] {
  const isChange = (change: Partial<Change> | null): boolean =>
    typeof change?.kind === 'string' && typeof change.key === 'string' && typeof change.value === 'object'
  return Array.isArray(value) && value.every(isChange)
}
