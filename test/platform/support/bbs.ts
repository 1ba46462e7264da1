import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { createServer, type Server } from 'node:tls'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import * as bbs from '../../../src/common/proto/gen/bbs_pb.js'
import { readTls } from '../../../src/common/tls.ts'
import { tlsFiles } from './certificates.ts'

export type Desired = MessageInitShape<typeof bbs.DesiredLRPSchema>
export type Actual = MessageInitShape<typeof bbs.ActualLRPSchema>

const tls = tlsFiles('bbs.service.cf.internal')

/**
 * A BBS on the wire: mutual TLS, protobuf, and an event stream whose chunk headers end in `;`. It answers from `desired`,
 * `actual` and `domains`, or with what a test puts into `answers` by path.
 */
export class FakeBbs {
  desired = new Map<string, Desired>()
  actual = new Map<string, Actual>()
  domains = ['cf-apps']
  /** What a path answers instead: raw bytes, written as they are before the connection is closed. */
  readonly answers = new Map<string, string | Buffer>()
  readonly requests: string[] = []
  /** Called before a path is answered; what it waits for delays the answer, which was made up before. */
  hold: ((path: string) => Promise<void> | undefined) | undefined
  transfer: 'chunked' | 'identity' = 'chunked'
  readonly #streams = new Set<TLSSocket>()
  readonly #sockets = new Set<TLSSocket>()
  readonly #server: Server
  #id = 0

  constructor() {
    const { cert, key, ca } = readTls(tls)
    this.#server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' }, (socket) =>
      this.#serve(socket),
    )
    this.#server.on('tlsClientError', () => {})
  }

  async listen(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    return this
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get streams(): number {
    return this.#streams.size
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Cuts every event stream, as a lost network does. */
  cut(): void {
    for (const socket of this.#streams) socket.destroy()
  }

  /** Sends an event to every stream. */
  emit<Name extends keyof typeof events>(name: Name, value: MessageInitShape<(typeof events)[Name]>): void {
    const schema = events[name] as typeof bbs.DesiredLRPCreatedEventSchema
    const data = Buffer.from(toBinary(schema, create(schema, value as MessageInitShape<typeof bbs.DesiredLRPCreatedEventSchema>))).toString(
      'base64',
    )
    this.write(`id: ${this.#id++}\nevent: ${name}\ndata: ${data}\n\n`)
  }

  /** Sends text down every event stream, as one chunk. */
  write(text: string): void {
    const bytes = Buffer.byteLength(text)
    this.raw(this.transfer === 'chunked' ? `${bytes.toString(16)};\r\n${text}\r\n` : text)
  }

  /** Sends bytes down every event stream as they are. */
  raw(bytes: string | Buffer): void {
    for (const socket of this.#streams) socket.write(bytes)
  }

  #serve(socket: TLSSocket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#streams.delete(socket)
    })
    let input = Buffer.alloc(0)
    socket.on('data', (bytes: Buffer) => {
      input = Buffer.concat([input, bytes])
      for (let end = input.indexOf('\r\n\r\n'); end >= 0; end = input.indexOf('\r\n\r\n')) {
        const head = input.toString('latin1', 0, end)
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
        if (input.length < end + 4 + length) return
        input = input.subarray(end + 4 + length)
        void this.#answer(socket, /^POST (\S+)/.exec(head)?.[1] ?? '')
      }
    })
  }

  async #answer(socket: TLSSocket, path: string): Promise<void> {
    this.requests.push(path)
    const raw = this.answers.get(path)
    if (raw !== undefined) return void socket.end(raw)
    if (path === '/v1/events/lrp_instances.r1') {
      const coding = this.transfer === 'chunked' ? 'Transfer-Encoding: chunked' : 'Transfer-Encoding: identity\r\nConnection: close'
      socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n${coding}\r\n\r\n`)
      this.#streams.add(socket)
      return
    }
    const body = this.#body(path)
    await this.hold?.(path)
    socket.write(
      Buffer.concat([
        Buffer.from(
          `HTTP/1.1 ${body ? '200 OK' : '404 Not Found'}\r\nContent-Type: ${body ? 'application/x-protobuf' : 'text/plain'}\r\nContent-Length: ${body?.length ?? 0}\r\n\r\n`,
        ),
        body ?? Buffer.alloc(0),
      ]),
    )
  }

  #body(path: string): Buffer | undefined {
    switch (path) {
      case '/v1/ping':
        return Buffer.from([8, 1])
      case '/v1/domains/list':
        return Buffer.from(toBinary(bbs.DomainsResponseSchema, create(bbs.DomainsResponseSchema, { domains: this.domains })))
      case '/v1/desired_lrp_routing_infos/list':
        return Buffer.from(
          toBinary(bbs.DesiredLRPsResponseSchema, create(bbs.DesiredLRPsResponseSchema, { desiredLrps: [...this.desired.values()] })),
        )
      case '/v1/actual_lrps/list':
        return Buffer.from(
          toBinary(bbs.ActualLRPsResponseSchema, create(bbs.ActualLRPsResponseSchema, { actualLrps: [...this.actual.values()] })),
        )
      default:
        return undefined
    }
  }
}

const events = {
  desired_lrp_created: bbs.DesiredLRPCreatedEventSchema,
  desired_lrp_changed: bbs.DesiredLRPChangedEventSchema,
  desired_lrp_removed: bbs.DesiredLRPRemovedEventSchema,
  actual_lrp_instance_created: bbs.ActualLRPInstanceCreatedEventSchema,
  actual_lrp_instance_changed: bbs.ActualLRPInstanceChangedEventSchema,
  actual_lrp_instance_removed: bbs.ActualLRPInstanceRemovedEventSchema,
  actual_lrp_crashed: bbs.ActualLRPCrashedEventSchema,
}

export interface DesiredOptions {
  process: string
  app?: string
  type?: string
  instances?: number
  hosts?: string[]
  internal?: string[]
  port?: number
  space?: string
  tag?: { epoch: string; index: number }
  routes?: Record<string, string>
}

/** A desired LRP as Cloud Controller makes them. */
export function desiredLrp({
  process,
  app = `app-${process}`,
  type = 'web',
  instances = 1,
  hosts = [],
  internal = [],
  port = 8080,
  space = 'space',
  tag = { epoch: 'e', index: 0 },
  routes,
}: DesiredOptions): Desired {
  const json = {
    'cf-router': JSON.stringify(hosts.map((host) => ({ hostnames: [host], port, protocol: 'http1' }))),
    'internal-router': JSON.stringify(internal.map((hostname) => ({ hostname }))),
    ...routes,
  }
  const tags = {
    app_id: app,
    app_name: `name of ${app}`,
    process_type: type,
    space_id: space,
    space_name: `name of ${space}`,
    organization_id: 'org',
    organization_name: 'name of org',
  }
  return {
    processGuid: process,
    domain: 'cf-apps',
    instances,
    logGuid: app,
    modificationTag: tag,
    routes: { routes: Object.fromEntries(Object.entries(json).map(([router, text]) => [router, Buffer.from(text)])) },
    metricTags: Object.fromEntries(Object.entries(tags).map(([name, value]) => [name, { static: value }])),
  }
}

export interface ActualOptions {
  process: string
  index?: number
  guid: string
  state?: string
  presence?: number
  routable?: boolean
  preferred?: number
  tag?: { epoch: string; index: number }
  port?: number
}

/** An actual LRP of one port, 8080 in the container. */
export function actualLrp({
  process,
  index = 0,
  guid,
  state = 'RUNNING',
  presence = 0,
  routable,
  preferred = 2,
  tag = { epoch: guid, index: 0 },
  port = 61001,
}: ActualOptions) {
  return {
    actualLrpKey: { processGuid: process, index, domain: 'cf-apps' },
    actualLrpInstanceKey: { instanceGuid: guid, cellId: 'cell' },
    actualLrpNetInfo: {
      address: '10.0.0.1',
      instanceAddress: '10.255.0.1',
      preferredAddress: preferred,
      ports: [{ containerPort: 8080, hostPort: port, containerTlsProxyPort: 61443, hostTlsProxyPort: port + 1 }],
    },
    state,
    since: 1_700_000_000_000_000_000n,
    modificationTag: tag,
    presence,
    ...(routable === undefined ? {} : { routable }),
    availabilityZone: 'z1',
  } satisfies Actual
}
