import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import type { TlsConfig } from '../../common/config.ts'
import { messageOf, problem } from '../../common/problem.ts'
import {
  ActualLRPSchema,
  DesiredLRPSchema,
  DomainsResponseSchema,
  ErrorSchema,
  PingResponseSchema,
  type ActualLRP,
  type DesiredLRP,
} from '../../common/proto/gen/bbs_pb.js'
import { readTls } from '../../common/tls.ts'
import { header, HttpClient, Unreachable } from '../http.ts'
import type { BbsEvent } from './events.ts'
import { decodeRepeated } from './repeated.ts'
import { readEventStream } from './stream.ts'

export const BbsRefused = problem('MESH_BBS_REFUSED', 502, (url: string, why: string) => `${url}: ${why}`)
export const BbsEndpointMissing = problem('MESH_BBS_ENDPOINT_MISSING', 502, (url: string) => `${url}: this BBS has no such endpoint`)

export interface BbsOptions {
  /** `https://host:port` of each BBS; only one of them is active at a time. */
  addresses: string[]
  tls: TlsConfig
  /** Name that the certificate of BBS must bear. */
  serverName: string
  timeout?: number
}

/** Diego's BBS. A request goes to the address that answered last; when that fails, the next one is tried. */
export class Bbs {
  readonly #options: Required<BbsOptions>
  readonly #clients: HttpClient[]
  #active = 0

  constructor(options: BbsOptions) {
    this.#options = { timeout: 20_000, ...options }
    const { addresses, tls, serverName, timeout } = this.#options
    this.#clients = addresses.map((url) => new HttpClient({ url, tls, serverName, timeout, maxBytes: 1 << 30 }))
  }

  /** The address that requests go to. */
  get address(): string {
    return this.#options.addresses[this.#active]!
  }

  async ping(signal?: AbortSignal): Promise<boolean> {
    const body = await this.#call('/v1/ping', signal)
    return this.#decode(PingResponseSchema, body, '/v1/ping').available
  }

  /** The domains whose LRPs are complete and up to date just now. */
  async freshDomains(signal?: AbortSignal): Promise<Set<string>> {
    const path = '/v1/domains/list'
    const { error, domains } = this.#decode(DomainsResponseSchema, await this.#call(path, signal), path)
    if (error) throw BbsRefused(this.address + path, error.message)
    return new Set(domains)
  }

  /**
   * Every desired LRP, with its routing fields only where BBS knows how; what came before an error is to be trusted, what is absent is not.
   */
  async *desiredLrps(signal?: AbortSignal): AsyncGenerator<DesiredLRP> {
    try {
      yield* this.#list(DesiredLRPSchema, '/v1/desired_lrp_routing_infos/list', signal)
    } catch (error) {
      if ((error as { code?: string }).code !== BbsEndpointMissing.code) throw error
      yield* this.#list(DesiredLRPSchema, '/v1/desired_lrps/list.r3', signal)
    }
  }

  actualLrps(signal?: AbortSignal): AsyncGenerator<ActualLRP> {
    return this.#list(ActualLRPSchema, '/v1/actual_lrps/list', signal)
  }

  /** Follows the changes until the stream ends, which is a rejection. Then the next address has its turn. */
  async follow({
    signal,
    onOpen,
    onEvent,
  }: {
    signal: AbortSignal
    onOpen: () => void
    onEvent: (event: BbsEvent) => void
  }): Promise<never> {
    const { tls, serverName, timeout } = this.#options
    const address = this.address
    let opened = false
    try {
      return await readEventStream({
        address,
        tls: readTls(tls),
        serverName,
        timeout,
        signal,
        onEvent,
        onOpen: () => {
          opened = true
          onOpen()
        },
      })
    } catch (error) {
      if (!opened) this.#leave(address)
      throw error
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  async *#list<Desc extends DescMessage>(schema: Desc, path: string, signal: AbortSignal | undefined): AsyncGenerator<MessageShape<Desc>> {
    const body = await this.#call(path, signal)
    const refuse = (why: string): never => {
      throw BbsRefused(this.address + path, why)
    }
    yield* decodeRepeated(schema, body, 2, {
      other: (field, value) => field === 1 && refuse(this.#decode(ErrorSchema, value, path).message || 'an error without a message'),
      invalid: (error) => refuse(messageOf(error)),
    })
  }

  #decode<Desc extends DescMessage>(schema: Desc, body: Uint8Array, path: string): MessageShape<Desc> {
    try {
      return fromBinary(schema, body)
    } catch (error) {
      throw BbsRefused(this.address + path, messageOf(error))
    }
  }

  /** Asks the active address, then each other one once. */
  async #call(path: string, signal: AbortSignal | undefined): Promise<Buffer> {
    for (let left = this.#clients.length; ; left--) {
      const address = this.address
      try {
        return await this.#ask(this.#clients[this.#active]!, path, signal)
      } catch (error) {
        if ((error as { code?: string }).code === Unreachable.code) this.#leave(address)
        if (signal?.aborted || left <= 1 || (error as { code?: string }).code !== Unreachable.code) throw error
      }
    }
  }

  async #ask(client: HttpClient, path: string, signal: AbortSignal | undefined): Promise<Buffer> {
    const url = client.origin + path
    const answer = await client.request({ method: 'POST', path, headers: { 'content-type': 'application/x-protobuf' }, body: '', signal })
    const type = header(answer, 'content-type')
    if (answer.status === 404) throw BbsEndpointMissing(url)
    if (answer.status >= 500) throw Unreachable(url, `it answered ${answer.status}`)
    if (answer.status !== 200 || !type?.startsWith('application/x-protobuf'))
      throw BbsRefused(url, `it answered ${answer.status} with ${type ?? 'no content type'}`)
    return answer.body
  }

  #leave(address: string): void {
    if (this.address === address) this.#active = (this.#active + 1) % this.#clients.length
  }
}
