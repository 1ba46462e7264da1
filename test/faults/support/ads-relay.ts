import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { readFileSync } from 'node:fs'
import { Client, credentials, Metadata, Server as GrpcServer, type MethodDefinition, type ServerDuplexStream } from '@grpc/grpc-js'
import type { TlsConfig } from '../../../src/common/config.ts'
import { decodeRequest, deltaClientMethod, refusalsOf, type DeltaDiscoveryResponse } from '../../../src/common/xds/protocol.ts'
import { serverCredentials } from '../../../src/common/xds/credentials.ts'
import type { Refusal, Resource } from '../../../src/common/xds/resources.ts'

export interface AdsRelayOptions {
  /** pilot's port on 127.0.0.1. */
  pilot: number
  /** pilot's certificate, shown to routers, and a router's, shown to pilot. */
  tls: { pilot: TlsConfig; router: TlsConfig }
}

interface Poison {
  resource: Resource
  /** What routers said of it, by node id. */
  refused: Map<string, Refusal[]>
}

/**
 * Stands between routers and pilot. It passes bytes on, which nobody notices; while it poisons, it ends the streams of both sides,
 * and puts a resource that pilot never made among those of the next message of its type.
 */
export class AdsRelay {
  readonly #options: AdsRelayOptions
  readonly #sockets = new Set<Socket>()
  readonly #relay: Server
  readonly #grpc = new GrpcServer({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 })
  #stopWatching: (() => void) | undefined
  #poisoner = 0
  #poison: Poison | undefined

  constructor(options: AdsRelayOptions) {
    this.#options = options
    this.#relay = createServer((socket) => this.#pass(socket))
    const { path, requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } = deltaClientMethod
    const method: MethodDefinition<Buffer, DeltaDiscoveryResponse> = {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize,
      requestDeserialize,
      responseSerialize,
      responseDeserialize,
    }
    this.#grpc.addService(
      { deltaAggregatedResources: method },
      { deltaAggregatedResources: (call: ServerDuplexStream<Buffer, DeltaDiscoveryResponse>) => this.#serve(call) },
    )
  }

  get port(): number {
    return (this.#relay.address() as AddressInfo).port
  }

  async listen(): Promise<this> {
    const { credentials, stop } = serverCredentials(this.#options.tls.pilot)
    this.#stopWatching = stop
    this.#poisoner = await new Promise<number>((resolve, reject) =>
      this.#grpc.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port))),
    )
    this.#relay.listen(0, '127.0.0.1')
    await once(this.#relay, 'listening')
    return this
  }

  close(): void {
    this.#stopWatching?.()
    this.#relay.close()
    this.#cut()
    this.#grpc.forceShutdown()
  }

  /** Begins to poison; what routers say of it comes into the map, by their names. */
  poison(resource: Resource): Map<string, Refusal[]> {
    this.#poison = { resource, refused: new Map() }
    this.#cut()
    return this.#poison.refused
  }

  /** Only passes on again. */
  cease(): void {
    this.#poison = undefined
    this.#cut()
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #pass(router: Socket): void {
    const pilot = connect({ host: '127.0.0.1', port: this.#poison ? this.#poisoner : this.#options.pilot, noDelay: true })
    router.setNoDelay(true)
    for (const [one, other] of [
      [router, pilot],
      [pilot, router],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  }

  #serve(router: ServerDuplexStream<Buffer, DeltaDiscoveryResponse>): void {
    const { tls, pilot: port } = this.#options
    const file = (path: string): Buffer => readFileSync(path)
    const channel = credentials.createSsl(file(tls.router.ca), file(tls.router.key), file(tls.router.certificate))
    const client = new Client(`127.0.0.1:${port}`, channel, {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.ssl_target_name_override': 'pilot.service.cf.internal',
      'grpc.default_authority': 'pilot.service.cf.internal',
    })
    const pilot = client.makeBidiStreamRequest(
      deltaClientMethod.path,
      deltaClientMethod.requestSerialize,
      deltaClientMethod.responseDeserialize,
    )
    const poison = this.#poison
    let name = ''
    let poisoned = false
    router.on('data', (request: Buffer) => {
      const { node, errorDetail } = decodeRequest(request)
      name = node?.id ?? name
      if (poison && errorDetail) poison.refused.set(name, [...(poison.refused.get(name) ?? []), ...refusalsOf(errorDetail)])
      pilot.write(request)
    })
    pilot.on('metadata', (metadata: Metadata) => router.sendMetadata(metadata))
    pilot.on('data', (response: DeltaDiscoveryResponse) => {
      if (poison && !poisoned && response.typeUrl === poison.resource.typeUrl && response.resources.length) {
        poisoned = true
        const { any, ...rest } = poison.resource
        response.resources.push({ ...response.resources[0]!, ...rest, resource: any })
      }
      router.write(response)
    })
    const end = (): void => {
      pilot.cancel()
      client.close()
      router.end()
    }
    pilot.on('error', end)
    pilot.on('end', end)
    router.on('cancelled', end)
    router.on('end', end)
    router.on('error', end)
  }
}
