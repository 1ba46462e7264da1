import type { JsonObject } from '@bufbuild/protobuf'
import { Server, status, type ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Logger } from '../log.ts'
import { messageOf } from '../problem.ts'
import type { Node } from '../proto/gen/envoy/config/core/v3/base_pb.js'
import type { ResourceCache } from './cache.ts'
import { Compressor } from './compressed.ts'
import { Delivery, type Shelf } from './delivery.ts'
import type { Epoch } from './pending.ts'
import {
  deltaServerMethod,
  encodeResponse,
  flowControlWindow,
  heldOf,
  reportType,
  typeName,
  type Held,
  type IncomingRequest,
} from './protocol.ts'
import { typeUrls, type Refusal, type Resource } from './resources.ts'
import type { StandingRefusal } from './subscription.ts'

type Call = ServerDuplexStream<IncomingRequest, Buffer>

/** Why a stream ends, as a gRPC status. */
interface Refused {
  code: status
  details: string
}

export interface DeltaServerOptions {
  cache: ResourceCache
  log: Logger
  metrics: Registry
  /** Resources that depend on the client, in addition to the cache's; asked when a client names itself, and by `refresh`. */
  perNode?: (node: Node) => Resource[]
  /**
   * Why a stream may not be served now, as a gRPC status; nothing if it may. Asked as it begins, and again where the client, `has`, tells
   * of resources that it has.
   */
  admit?: (call: Call, has: boolean) => Refused | undefined
  /** Told each refusal as it comes in, and what the client says that it goes on with. */
  onRefused?: (client: string, refusals: StandingRefusal[], held: Held) => void
  /** Told what a client has taken, as its answers come in. */
  onAcknowledged?: (client: string, resources: Resource[]) => void
  /** Milliseconds after which an unanswered message no longer holds others back. */
  overdue?: number
  /** Milliseconds at a stream's start in which nothing is removed. */
  grace?: number
}

/** What a server knows of one client. */
export interface ClientStatus {
  /** The node's id; empty until it has told. */
  name: string
  address: string
  /** ISO 8601. */
  connectedSince: string
  /** Seconds since the oldest change that it has not acknowledged; 0 if it has all. */
  lag: number
  types: Record<string, TypeStatus>
  refused: Refusal[]
  /** The availability zone that it is in, where it knows that. */
  zone?: string
  /** What it last said of itself. */
  report?: JsonObject
}

export interface TypeStatus {
  subscribed: 'all' | number
  /** Resources still to be sent. */
  pending: number
  /** Messages without an answer. */
  unanswered: number
  /** When it last acknowledged something, ISO 8601. */
  acknowledgedAt?: string
}

interface Client {
  call: Call
  delivery: Delivery
  compressor: Compressor
  connectedSince: Date
  report?: JsonObject
  /** It has reported, and is to hear once it has all that there was when it came. */
  catchingUp: boolean
  /** A write that is not through yet. */
  writing: boolean
}

/** How long sending may hold the event loop, milliseconds. */
const slice = 8

/** Serves a cache's resources to any number of clients by the incremental xDS protocol (delta ADS). */
export class DeltaServer {
  readonly #options: DeltaServerOptions
  readonly #server: Server
  readonly #clients = new Set<Client>()
  readonly #due = new Set<Client>()
  readonly #waiters = new Set<() => void>()
  readonly #metrics: ReturnType<typeof createServerMetrics>
  readonly #unwatch: () => void
  readonly #shelf: Shelf
  #epoch: Epoch = { number: 1, at: performance.now() }
  #scheduled = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: DeltaServerOptions) {
    this.#options = options
    this.#metrics = createServerMetrics(options.metrics, () => this.clients())
    const { cache } = options
    this.#shelf = { get: (typeUrl, name) => cache.get(typeUrl, name), all: (typeUrl) => cache.all(typeUrl), epoch: () => this.#epoch }
    this.#unwatch = cache.watch((update) => {
      this.#advance()
      for (const client of this.#clients) {
        client.delivery.change(update)
        this.#schedule(client)
      }
    })
    this.#server = new Server({
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc-node.flow_control_window': flowControlWindow,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 10_000,
    })
    this.#server.addService(
      { deltaAggregatedResources: deltaServerMethod },
      { deltaAggregatedResources: (call: Call) => this.#serve(call) },
    )
  }

  /** Listens on `HOST:PORT` or `unix:PATH`; resolves with the port. */
  async listen(address: string, credentials: ServerCredentials): Promise<number> {
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)))
    })
    // Overdue answers and the grace at a stream's start end by time alone.
    this.#timer = setInterval(() => this.#clients.forEach((client) => this.#schedule(client)), 100).unref()
    return port
  }

  /** Ends all streams and stops listening. */
  close(): void {
    this.#unwatch()
    clearInterval(this.#timer)
    this.#server.forceShutdown()
  }

  /** Asks `perNode` again for every client and sends what differs. */
  refresh(): void {
    this.#advance()
    for (const client of this.#clients) {
      const { node } = client.delivery
      if (node) client.delivery.identify(node, this.#options.perNode?.(node) ?? [])
      this.#schedule(client)
    }
  }

  /** Sends all clients away. */
  dismiss(details: string): void {
    for (const client of this.#clients) this.#fail(client, { code: status.UNAVAILABLE, details })
  }

  clients(): ClientStatus[] {
    return [...this.#clients].map(describe)
  }

  /** The clients that have named themselves. */
  nodes(): Node[] {
    return [...this.#clients].flatMap(({ delivery }) => delivery.node ?? [])
  }

  /** The number of the cache's newest change. */
  get epoch(): number {
    return this.#epoch.number
  }

  /** Up to which change every client has answered all that it was to get, late answers included; 0 without a client. */
  answered(): number {
    return this.#clients.size ? Math.min(...[...this.#clients].map(({ delivery }) => delivery.answered())) : 0
  }

  /**
   * Resolves once every client has answered all that is in the cache now, or `signal` aborts. Overdue answers are not waited for.
   * Without a client it waits for the first one.
   */
  async settled(signal: AbortSignal): Promise<void> {
    const { number } = this.#epoch
    const done = (): boolean =>
      this.#clients.size > 0 &&
      [...this.#clients].every(({ delivery }) => delivery.node && (delivery.unsettled()?.number ?? Infinity) > number)
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!signal.aborted && !done()) return
        this.#waiters.delete(look)
        signal.removeEventListener('abort', look)
        resolve()
      }
      this.#waiters.add(look)
      signal.addEventListener('abort', look)
      look()
    })
  }

  #advance(): void {
    this.#epoch = { number: this.#epoch.number + 1, at: performance.now() }
  }

  #serve(call: Call): void {
    const refusal = this.#options.admit?.(call, false)
    if (refusal) {
      call.on('error', () => {})
      call.emit('error', refusal)
      return
    }
    const times = { overdue: this.#options.overdue ?? 5000, grace: this.#options.grace ?? 200 }
    const client: Client = {
      call,
      delivery: new Delivery(this.#shelf, times),
      compressor: new Compressor(),
      connectedSince: new Date(),
      catchingUp: false,
      writing: false,
    }
    this.#clients.add(client)
    // The client learns by these headers that it is served, even when there is nothing to send.
    call.sendMetadata(call.metadata.clone())
    call.on('data', (request: IncomingRequest) => {
      try {
        this.#receive(client, request)
      } catch (error) {
        this.#fail(client, faulty(messageOf(error)))
      }
    })
    call.on('end', () => call.end())
    call.on('error', () => this.#leave(client))
    call.on('cancelled', () => this.#leave(client))
    call.on('close', () => this.#leave(client))
  }

  #receive(client: Client, request: IncomingRequest): void {
    const { delivery } = client
    if (!delivery.node) {
      if (!request.node?.id) return this.#fail(client, faulty('the first request names no node.id'))
      delivery.identify(request.node, this.#options.perNode?.(request.node) ?? [])
      this.#options.log.info({ client: request.node.id, address: client.call.getPeer() }, 'xDS client connected')
    }
    if (request.typeUrl === reportType) {
      if (!client.report) client.catchingUp = true
      client.report = request.node?.metadata
      this.#schedule(client)
      return
    }
    if (!(Object.values(typeUrls) as string[]).includes(request.typeUrl)) {
      this.#options.log.debug({ client: delivery.node?.id, typeUrl: request.typeUrl }, 'ignored a subscription to an unknown type')
      return
    }
    const refusal = this.#options.admit && hasSome(request.versions()) ? this.#options.admit(client.call, true) : undefined
    if (refusal) return this.#fail(client, refusal)
    const { flight, refused } = delivery.receive(request)
    if (flight) this.#metrics.acknowledge.observe({ type: typeName(request.typeUrl) }, (performance.now() - flight.epoch.at) / 1000)
    if (request.errorDetail) this.#report(client, request, refused)
    else if (flight) {
      client.compressor.taken(request.responseNonce, flight.resources)
      this.#options.onAcknowledged?.(delivery.node?.id ?? '', flight.resources)
    }
    this.#schedule(client)
    for (const look of this.#waiters) look()
  }

  #report({ delivery }: Client, { typeUrl, errorDetail }: IncomingRequest, refused: StandingRefusal[]): void {
    const client = delivery.node?.id ?? ''
    this.#metrics.nacks.inc({ type: typeName(typeUrl) })
    for (const { name, version, reason } of refused)
      this.#options.log.warn({ client, type: typeName(typeUrl), name, version, reason }, 'resource refused')
    if (refused.length) this.#options.onRefused?.(client, refused, errorDetail ? heldOf(errorDetail) : new Map())
    else
      this.#options.log.info(
        { client, type: typeName(typeUrl), reason: errorDetail?.message.slice(0, 1000) },
        'message refused; looking for the culprit',
      )
  }

  #fail(client: Client, why: Refused): void {
    this.#options.log.warn({ client: client.delivery.node?.id, address: client.call.getPeer(), details: why.details }, 'xDS stream refused')
    client.call.emit('error', why)
    this.#leave(client)
  }

  #leave(client: Client): void {
    this.#due.delete(client)
    if (!this.#clients.delete(client)) return
    this.#options.log.info({ client: client.delivery.node?.id }, 'xDS client gone')
    for (const look of this.#waiters) look()
  }

  #schedule(client: Client): void {
    if (client.writing || !this.#clients.has(client)) return
    this.#due.add(client)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#send())
  }

  /** Sends messages to the clients in turn, for one slice of time. */
  #send(): void {
    this.#scheduled = false
    const end = performance.now() + slice
    for (const client of this.#due) {
      this.#due.delete(client)
      try {
        this.#sendTo(client)
      } catch (error) {
        this.#fail(client, faulty(messageOf(error)))
      }
      if (performance.now() > end) break
    }
    const [next] = this.#due
    if (next) this.#schedule(next)
    for (const look of this.#waiters) look()
  }

  #sendTo(client: Client): void {
    const message = client.delivery.next()
    if (message) {
      this.#metrics.sent.inc({ type: typeName(message.typeUrl) }, message.resources.length + message.removed.length)
      this.#write(client, encodeResponse(client.compressor.compress(client.delivery.node, message)))
    } else if (client.delivery.busy) this.#due.add(client)
    else if (client.catchingUp && client.delivery.answered()) {
      client.catchingUp = false
      this.#write(client, encodeResponse({ typeUrl: reportType, nonce: '', resources: [], removed: [] }))
    }
  }

  #write(client: Client, bytes: Buffer): void {
    client.writing = true
    client.call.write(bytes, () => {
      client.writing = false
      this.#schedule(client)
    })
  }
}

const hasSome = (values: Iterable<unknown>): boolean => !values[Symbol.iterator]().next().done

const faulty = (details: string): Refused => ({ code: status.INVALID_ARGUMENT, details })

function describe({ call, delivery, connectedSince, report }: Client): ClientStatus {
  const oldest = delivery.unsettled()
  return {
    name: delivery.node?.id ?? '',
    address: call.getPeer(),
    connectedSince: connectedSince.toISOString(),
    lag: oldest ? (performance.now() - oldest.at) / 1000 : 0,
    types: Object.fromEntries(
      [...delivery.subscriptions].map(([typeUrl, { wildcard, names, changed, removed, flights, acknowledgedAt }]) => [
        typeName(typeUrl),
        {
          subscribed: wildcard ? 'all' : names.size,
          pending: changed.size + removed.size,
          unanswered: flights.size,
          acknowledgedAt: acknowledgedAt?.toISOString(),
        },
      ]),
    ),
    refused: delivery.refusals(),
    ...(delivery.node?.locality?.zone ? { zone: delivery.node.locality.zone } : {}),
    ...(report ? { report } : {}),
  }
}

function createServerMetrics(registry: Registry, clients: () => ClientStatus[]) {
  const registers = [registry]
  return {
    sent: new Counter({ name: 'mesh_xds_sent_resources_total', help: 'Resources and removals sent', labelNames: ['type'], registers }),
    nacks: new Counter({ name: 'mesh_xds_nacks_total', help: 'Messages that a client refused', labelNames: ['type'], registers }),
    acknowledge: new Histogram({
      name: 'mesh_xds_acknowledge_seconds',
      help: 'From a change to its acknowledgement by a client',
      labelNames: ['type'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    clients: new Gauge({
      name: 'mesh_xds_client_lag_seconds',
      help: 'Age of the oldest change that a connected client has not acknowledged',
      labelNames: ['client'],
      registers,
      collect() {
        this.reset()
        for (const { name, lag } of clients()) this.set({ client: name }, lag)
      },
    }),
    refused: new Gauge({
      name: 'mesh_xds_refused_resources',
      help: 'Resources that a connected client refuses; it goes on with their last good version',
      labelNames: ['client', 'type'],
      registers,
      collect() {
        this.reset()
        for (const { name, refused } of clients()) for (const { typeUrl } of refused) this.inc({ client: name, type: typeName(typeUrl) })
      },
    }),
  }
}
