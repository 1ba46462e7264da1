import { Client, credentials, Metadata, type ChannelCredentials, type ClientDuplexStream, type StatusObject } from '@grpc/grpc-js'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { Registry } from 'prom-client'
import { createLogger } from '../../src/common/log.ts'
import { ClusterSchema } from '../../src/common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import type { DeltaDiscoveryRequestSchema } from '../../src/common/proto/gen/envoy/service/discovery/v3/discovery_pb.js'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { deltaClientMethod, encodeRequest, type DeltaDiscoveryResponse } from '../../src/common/xds/protocol.ts'
import { encodeResource, typeUrls, type Resource } from '../../src/common/xds/resources.ts'
import { DeltaServer, type DeltaServerOptions } from '../../src/common/xds/server.ts'
import { ServerCredentials } from '@grpc/grpc-js'
import { eventually } from '../support/wait.ts'

export { typeUrls }

/** A resource of any type with some content; what is in it is of no interest to the protocol. */
export function resource(type: keyof typeof typeUrls, name: string, content = ''): Resource {
  const { version, any } = encodeResource(ClusterSchema, name, create(ClusterSchema, { name, altStatName: content }))
  return { typeUrl: typeUrls[type], name, version, any: { ...any, typeUrl: typeUrls[type] } }
}

export interface TestServer {
  cache: ResourceCache
  server: DeltaServer
  address: string
}

export async function startServer(options: Partial<DeltaServerOptions> = {}): Promise<TestServer> {
  const cache = options.cache ?? new ResourceCache()
  const server = new DeltaServer({ log: createLogger('test', 'silent'), metrics: new Registry(), grace: 0, ...options, cache })
  const port = await server.listen('127.0.0.1:0', ServerCredentials.createInsecure())
  return { cache, server, address: `127.0.0.1:${port}` }
}

/** A client that does only what it is told. */
export class RawClient {
  readonly messages: DeltaDiscoveryResponse[] = []
  ended: StatusObject | undefined
  readonly #client: Client
  readonly #call: ClientDuplexStream<Buffer, DeltaDiscoveryResponse>
  #answering = false

  constructor(
    address: string,
    channel: ChannelCredentials = credentials.createInsecure(),
    options: object = {},
    headers: Record<string, string> = {},
  ) {
    this.#client = new Client(address, channel, { 'grpc.max_receive_message_length': -1, ...options })
    const { path, requestSerialize, responseDeserialize } = deltaClientMethod
    const metadata = new Metadata()
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
    this.#call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata)
    this.#call.on('data', (message: DeltaDiscoveryResponse) => {
      this.messages.push(message)
      if (this.#answering) this.acknowledge(message)
    })
    this.#call.on('status', (status: StatusObject) => (this.ended = status))
    this.#call.on('error', () => {})
  }

  send(request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): this {
    this.#call.write(encodeRequest(request))
    return this
  }

  /** Subscribes to everything of these types, telling what it has already. */
  subscribe(types: (keyof typeof typeUrls)[], has: Resource[] = []): this {
    for (const type of types) {
      const initialResourceVersions = Object.fromEntries(
        has.filter(({ typeUrl }) => typeUrl === typeUrls[type]).map(({ name, version }) => [name, version]),
      )
      this.send({ node: { id: 'raw' }, typeUrl: typeUrls[type], resourceNamesSubscribe: ['*'], initialResourceVersions })
    }
    return this
  }

  acknowledge({ typeUrl, nonce }: DeltaDiscoveryResponse): void {
    this.send({ typeUrl, responseNonce: nonce })
  }

  refuse({ typeUrl, nonce }: DeltaDiscoveryResponse, message: string): void {
    this.send({ typeUrl, responseNonce: nonce, errorDetail: { code: 3, message } })
  }

  /** From now on acknowledges at once, also what came before. */
  acknowledgeAll(): this {
    this.#answering = true
    for (const message of this.messages) this.acknowledge(message)
    return this
  }

  /** Waits for the message number `index`. */
  message(index: number): Promise<DeltaDiscoveryResponse> {
    return eventually(() => this.messages[index])
  }

  /** Names by type, in the order in which they came: `cluster a`, and `-cluster a` for a removal. */
  received(): string[] {
    const short = (typeUrl: string): string => Object.entries(typeUrls).find(([, url]) => url === typeUrl)?.[0] ?? typeUrl
    return this.messages.flatMap(({ typeUrl, resources, removedResources }) => [
      ...resources.map(({ name }) => `${short(typeUrl)} ${name}`),
      ...removedResources.map((name) => `-${short(typeUrl)} ${name}`),
    ])
  }

  close(): void {
    this.#call.cancel()
    this.#client.close()
  }
}

/** A client that sends one message of these bytes. */
export class RawBytes {
  ended: StatusObject | undefined
  readonly #client: Client

  constructor(address: string, bytes: Buffer) {
    this.#client = new Client(address, credentials.createInsecure())
    const call = this.#client.makeBidiStreamRequest(
      deltaClientMethod.path,
      (message: Buffer) => message,
      (message) => message,
    )
    call.on('status', (status: StatusObject) => (this.ended = status))
    call.on('error', () => {})
    call.on('data', () => {})
    call.write(bytes)
  }

  close(): void {
    this.#client.close()
  }
}
