import { Client, Metadata, type ChannelCredentials, type ClientDuplexStream } from '@grpc/grpc-js'
import type { JsonObject, MessageInitShape } from '@bufbuild/protobuf'
import type { Node } from '../proto/gen/envoy/config/core/v3/base_pb.js'
import type { DeltaDiscoveryRequestSchema } from '../proto/gen/envoy/service/discovery/v3/discovery_pb.js'
import { messageOf } from '../problem.ts'
import { Decompressor } from './compressed.ts'
import {
  deltaClientMethod,
  emptyHeader,
  encodeRequest,
  encodeSubscription,
  flowControlWindow,
  refusalStatus,
  reportType,
  type DeltaDiscoveryResponse,
  type Status,
} from './protocol.ts'
import type { Refusal, Resource, ResourceUpdate } from './resources.ts'

export interface ConnectionOptions {
  credentials: ChannelCredentials
  /** The name that the server's certificate must bear. */
  serverName: string
  node: Node
  /** What to subscribe to, each with the versions that we have by name. */
  subscriptions: { typeUrl: string; versions: ReadonlyMap<string, string> }[]
  /** Takes an update and resolves with what of it is refused. Calls may overlap; an update takes effect in the order of the calls. */
  apply: (update: ResourceUpdate) => Promise<Refusal[]>
  /**
   * What we go on with of a resource that is refused, where the server is to know that: it is told once a stream, since it sees the rest.
   */
  held?: ((refusal: Refusal) => Uint8Array | undefined) | undefined
  /** Milliseconds until the server must have accepted the stream. */
  timeout: number
}

const channelOptions = {
  'grpc-node.flow_control_window': flowControlWindow,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.use_local_subchannel_pool': 1,
}

/** One delta ADS stream to one server, wildcard for each of its types. */
export class Connection {
  readonly address: string
  readonly since = new Date()
  /** Resolves with the reason when the stream has ended, for whatever reason. */
  readonly ended: Promise<string>
  readonly #subscribed = Promise.withResolvers<void>()
  readonly #caughtUp = Promise.withResolvers<void>()
  readonly #client: Client
  readonly #call: ClientDuplexStream<Buffer, DeltaDiscoveryResponse>
  readonly #options: ConnectionOptions
  readonly #told = new Set<string>()
  readonly #decompressor = new Decompressor()
  #open = true

  /**
   * Opens a stream, which asks for nothing yet; resolves once the server has accepted it. Throws with the server's reason, or when it takes
   * too long.
   */
  static async open(address: string, options: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted()
    const connection = new Connection(address, options)
    const tooLate = AbortSignal.timeout(options.timeout)
    const given = AbortSignal.any([signal, tooLate])
    const accepted = await Promise.race([
      new Promise<true>((resolve) => void connection.#call.once('metadata', () => resolve(true))),
      connection.ended,
      new Promise<string>((resolve) =>
        given.addEventListener('abort', () => resolve(tooLate.aborted ? `no answer in ${options.timeout} ms` : 'stopped'), { once: true }),
      ),
    ])
    if (accepted === true) return connection
    connection.close()
    throw new Error(accepted)
  }

  private constructor(address: string, options: ConnectionOptions) {
    const { credentials, serverName, subscriptions } = options
    this.address = address
    this.#options = options
    this.#client = new Client(address, credentials, {
      ...channelOptions,
      'grpc.ssl_target_name_override': serverName,
      'grpc.default_authority': serverName,
    })
    const { path, requestSerialize, responseDeserialize } = deltaClientMethod
    const headers = new Metadata()
    if (subscriptions.every(({ versions }) => !versions.size)) headers.set(emptyHeader, 'true')
    this.#call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, headers)
    this.#call.on('data', (response) => void this.#take(response))
    this.ended = new Promise((resolve) => {
      const end = (reason: string): void => {
        this.close()
        resolve(reason)
      }
      this.#call.on('error', (error) => end(messageOf(error)))
      this.#call.on('end', () => end('the server ended the stream'))
    })
  }

  /** Asks for all of each type. Nothing else may change the versions that we have until it is done: they are read bit by bit. */
  async subscribe(): Promise<void> {
    const { node, subscriptions } = this.#options
    for (const [index, { typeUrl, versions }] of subscriptions.entries()) {
      const request = await encodeSubscription({ ...(index ? {} : { node }), typeUrl, resourceNamesSubscribe: ['*'] }, versions)
      if (this.#open) this.#call.write(request)
    }
    this.#subscribed.resolve()
  }

  /** Asks for a resource anew, as one that was refused can be taken now. */
  ask({ typeUrl, name }: Pick<Resource, 'typeUrl' | 'name'>): void {
    this.#sendLater({ typeUrl, resourceNamesSubscribe: [name] })
  }

  /** Tells the server of resources that turned out unusable after their message was acknowledged. */
  refuse(refusals: Refusal[]): void {
    for (const [typeUrl, ofType] of Map.groupBy(refusals, (refusal) => refusal.typeUrl))
      this.#sendLater({ typeUrl, errorDetail: this.#status(ofType) })
  }

  /** Tells the server about us, in place of what it was told before. */
  report(report: JsonObject): void {
    this.#sendLater({ typeUrl: reportType, node: { id: this.#options.node.id, metadata: report } })
  }

  /** Resolves once we have taken all that the server had when we came; needs a report, which it answers. */
  get caughtUp(): Promise<void> {
    return this.#caughtUp.promise
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#call.cancel()
    this.#client.close()
  }

  async #take({ typeUrl, nonce, resources, removedResources }: DeltaDiscoveryResponse): Promise<void> {
    if (typeUrl === reportType) return this.#caughtUp.resolve()
    const changed: Resource[] = []
    const refusals: Refusal[] = []
    const refuse = ({ name, version }: Pick<Resource, 'name' | 'version'>, error: unknown): void =>
      void refusals.push({ typeUrl, name, version, reason: messageOf(error) })
    for (const { name, version, resource } of resources) {
      try {
        if (resource) changed.push({ typeUrl, name, version, any: this.#decompressor.decompress(resource, name, typeUrl) })
      } catch (error) {
        refuse({ name, version }, error)
      }
    }
    const update = { changed, removed: removedResources.map((name) => ({ typeUrl, name })) }
    try {
      refusals.push(...(await this.#options.apply(update)))
    } catch (error) {
      for (const resource of changed) refuse(resource, error)
    }
    if (!refusals.length) this.#decompressor.taken(update)
    this.#send({ typeUrl, responseNonce: nonce, ...(refusals.length ? { errorDetail: this.#status(refusals) } : {}) })
  }

  #status(refusals: Refusal[]): Status {
    const held = new Map<string, Uint8Array>()
    for (const refusal of refusals) {
      const id = `${refusal.typeUrl} ${refusal.name}`
      const bytes = this.#told.has(id) ? undefined : this.#options.held?.(refusal)
      if (!bytes) continue
      this.#told.add(id)
      held.set(refusal.name, bytes)
    }
    return refusalStatus(refusals, held)
  }

  /** The first request of a stream, and of each type on it, is the one that subscribes. */
  #sendLater(request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): void {
    void this.#subscribed.promise.then(() => this.#send(request))
  }

  #send(request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): void {
    if (this.#open) this.#call.write(encodeRequest(request))
  }
}
