import type { JsonObject } from '@bufbuild/protobuf'
import { Counter, Gauge, type Registry } from 'prom-client'
import { Backoff } from '../backoff.ts'
import type { Part } from '../lifecycle.ts'
import type { Logger } from '../log.ts'
import { messageOf } from '../problem.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { typeName } from './protocol.ts'
import type { Refusal, Resource, ResourceUpdate } from './resources.ts'

export interface DeltaClientOptions {
  /** `HOST:PORT` of the servers, the preferred one first. */
  addresses: string[]
  /** What a new connection is to use: asked each time, so that it has the certificates and versions of that moment. */
  connect: () => Omit<ConnectionOptions, 'apply' | 'held' | 'timeout'>
  apply: ConnectionOptions['apply']
  held?: ConnectionOptions['held']
  log: Logger
  metrics: Registry
  /** Milliseconds between looks for a server that is preferred to the present one. */
  preferEvery?: number
  /** Milliseconds until a server must have accepted a stream. */
  timeout?: number
}

interface Live {
  connection: Connection
  rank: number
}

/** Keeps one delta ADS stream open, to the most preferred server that answers. A new stream is accepted before the old one is closed. */
export class DeltaClient implements Part {
  readonly name = 'xds client'
  readonly #options: DeltaClientOptions
  readonly #stop = new AbortController()
  readonly #metrics: ReturnType<typeof createClientMetrics>
  readonly #heard = Promise.withResolvers<void>()
  #renew = Promise.withResolvers<'renew'>()
  #live: Live | undefined
  #report: JsonObject | undefined
  #running: Promise<void> | undefined
  #lastError: string | undefined

  constructor(options: DeltaClientOptions) {
    this.#options = options
    this.#metrics = createClientMetrics(options.metrics, () => this.#live !== undefined)
  }

  async start(): Promise<void> {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#live?.connection.close()
    await this.#running
    // One that was accepted at that very moment.
    this.#live?.connection.close()
  }

  /** Opens a new stream and then leaves the present one; called when the certificates have changed. */
  renew(): void {
    this.#renew.resolve('renew')
  }

  /** Tells the server of refusals that came up later. Without a connection it does nothing: what isn't accepted is sent again anyway. */
  refuse(refusals: Refusal[]): void {
    this.#live?.connection.refuse(refusals)
  }

  /** Asks for a resource anew; without a connection it does nothing, as what isn't accepted is sent with the next. */
  ask(resource: Pick<Resource, 'typeUrl' | 'name'>): void {
    this.#live?.connection.ask(resource)
  }

  /** Tells the server about us, whichever it is, as soon as there is one. */
  report(report: JsonObject): void {
    this.#report = report
    this.#live?.connection.report(report)
  }

  /** Resolves once a server has given us all that it had when we came, which takes a report, or none of the servers answers. */
  get heard(): Promise<void> {
    return this.#heard.promise
  }

  /** Where we are connected, since when (ISO 8601); or why we are not. */
  status(): { connected: boolean; address?: string; since?: string; reason?: string } {
    if (!this.#live) return { connected: false, reason: this.#lastError ?? 'connecting' }
    const { address, since } = this.#live.connection
    return { connected: true, address, since: since.toISOString() }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const backoff = new Backoff({ min: 100, max: 2_000 })
    while (!signal.aborted) {
      const live = await this.#open(this.#options.addresses)
      if (live) {
        await this.#stay(live)
        if (Date.now() - live.connection.since.getTime() > 5000) backoff.reset()
      } else this.#heard.resolve()
      await backoff.wait(signal).catch(() => {})
    }
  }

  /** Uses a connection, and those that replace it, until one ends. */
  async #stay(first: Live): Promise<void> {
    const { signal } = this.#stop
    this.#live = first
    await this.#begin(first.connection)
    while (!signal.aborted) {
      const { connection, rank } = this.#live
      const look = Promise.withResolvers<'prefer'>()
      const timer = rank > 0 ? setTimeout(() => look.resolve('prefer'), this.#options.preferEvery ?? 30_000) : undefined
      const event = await Promise.race([connection.ended.then((reason) => ({ reason })), this.#renew.promise, look.promise])
      clearTimeout(timer)
      if (typeof event === 'object') {
        this.#live = undefined
        this.#lastError = event.reason
        if (!signal.aborted) this.#options.log.warn({ address: connection.address, reason: event.reason }, 'connection to pilot lost')
        return
      }
      if (event === 'renew') this.#renew = Promise.withResolvers()
      const next = await this.#open(event === 'renew' ? this.#options.addresses : this.#options.addresses.slice(0, rank))
      if (!next) continue
      this.#live = next
      connection.close()
      await this.#begin(next.connection)
    }
  }

  async #begin(connection: Connection): Promise<void> {
    await connection.subscribe()
    if (this.#report) connection.report(this.#report)
    void connection.caughtUp.then(() => this.#heard.resolve())
  }

  /** The first of the servers that accepts a stream. */
  async #open(addresses: string[]): Promise<Live | undefined> {
    const { connect, held, timeout = 5000, log } = this.#options
    for (const [rank, address] of addresses.entries()) {
      try {
        const connection = await Connection.open(
          address,
          { ...connect(), apply: (update) => this.#apply(update), held, timeout },
          this.#stop.signal,
        )
        log.info({ address }, 'connected to pilot')
        return { connection, rank }
      } catch (error) {
        if (this.#stop.signal.aborted) return undefined
        this.#lastError = `${address}: ${messageOf(error)}`
        this.#metrics.failures.inc()
        log.warn({ address, reason: messageOf(error) }, 'pilot does not answer')
      }
    }
    return undefined
  }

  async #apply(update: ResourceUpdate): Promise<Refusal[]> {
    const refusals = await this.#options.apply(update)
    for (const [typeUrl, ofType] of Map.groupBy(update.changed, (resource) => resource.typeUrl))
      this.#metrics.received.inc({ type: typeName(typeUrl) }, ofType.length)
    return refusals
  }
}

function createClientMetrics(registry: Registry, connected: () => boolean) {
  const registers = [registry]
  return {
    received: new Counter({
      name: 'mesh_xds_received_resources_total',
      help: 'Resources received from pilot',
      labelNames: ['type'],
      registers,
    }),
    failures: new Counter({ name: 'mesh_xds_connection_failures_total', help: 'Attempts to reach a pilot that failed', registers }),
    connected: new Gauge({
      name: 'mesh_xds_connected',
      help: '1 while there is a stream to a pilot',
      registers,
      collect() {
        this.set(connected() ? 1 : 0)
      },
    }),
  }
}
