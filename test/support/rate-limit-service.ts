import { readFileSync } from 'node:fs'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import type { RateLimitDescriptor } from '../../src/common/proto/gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js'
import {
  RateLimitRequestSchema,
  RateLimitResponseSchema,
  RateLimitResponse_Code as Code,
  RateLimitResponse_RateLimit_Unit as Unit,
  type RateLimitRequest,
  type RateLimitResponse,
} from '../../src/common/proto/gen/envoy/service/ratelimit/v3/rls_pb.js'
import { RateLimitUnit } from '../../src/common/proto/gen/envoy/type/v3/ratelimit_unit_pb.js'
import type { TlsConfig } from '../../src/common/config.ts'

type Reply = sendUnaryData<RateLimitResponse>

const method = {
  path: '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit',
  requestStream: false,
  responseStream: false,
  requestSerialize: (message: RateLimitRequest) => Buffer.from(toBinary(RateLimitRequestSchema, message)),
  requestDeserialize: (bytes: Buffer) => fromBinary(RateLimitRequestSchema, bytes),
  responseSerialize: (message: RateLimitResponse) => Buffer.from(toBinary(RateLimitResponseSchema, message)),
  responseDeserialize: (bytes: Buffer) => fromBinary(RateLimitResponseSchema, bytes),
}

/**
 * A fake of an operator's rate limit service (envoy.service.ratelimit.v3 over mutual TLS): it counts each description by itself up to the
 * limit that the request brings, for ever. A real one is github.com/envoyproxy/ratelimit.
 */
export class FakeRateLimitService {
  readonly asked: RateLimitRequest[] = []
  /** DNS names of who asked. */
  readonly askers = new Set<string>()
  readonly #counts = new Map<string, number>()
  readonly #tls: TlsConfig
  #server: Server | undefined
  #port = 0

  private constructor(tls: TlsConfig) {
    this.#tls = tls
  }

  static async start(tls: TlsConfig): Promise<FakeRateLimitService> {
    const service = new FakeRateLimitService(tls)
    await service.resume()
    return service
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** Goes on at the same address after `stop`. */
  async resume(): Promise<void> {
    const server = new Server()
    server.addService(
      { ShouldRateLimit: method },
      { ShouldRateLimit: (call: ServerUnaryCall<RateLimitRequest, RateLimitResponse>, reply: Reply) => this.#answer(call, reply) },
    )
    const { certificate, key, ca } = this.#tls
    const credentials = ServerCredentials.createSsl(
      readFileSync(ca),
      [{ cert_chain: readFileSync(certificate), private_key: readFileSync(key) }],
      true,
    )
    this.#port = await new Promise((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${this.#port}`, credentials, (error, port) => (error ? reject(error) : resolve(port))),
    )
    this.#server = server
  }

  stop(): void {
    this.#server?.forceShutdown()
    this.#server = undefined
  }

  #answer(call: ServerUnaryCall<RateLimitRequest, RateLimitResponse>, reply: Reply): void {
    const { request } = call
    this.asked.push(request)
    this.askers.add(call.getAuthContext().sslPeerCertificate?.subjectaltname ?? '')
    const statuses = request.descriptors.map((descriptor) => this.#count(descriptor))
    const overallCode = statuses.some(({ code }) => code === Code.OVER_LIMIT) ? Code.OVER_LIMIT : Code.OK
    reply(null, create(RateLimitResponseSchema, { overallCode, statuses }))
  }

  #count({ entries, limit }: RateLimitDescriptor) {
    if (!limit) return { code: Code.OK, limitRemaining: 0 }
    const id = JSON.stringify(entries.map(({ key, value }) => [key, value]))
    const count = (this.#counts.get(id) ?? 0) + 1
    this.#counts.set(id, count)
    const currentLimit = { requestsPerUnit: limit.requestsPerUnit, unit: Unit[RateLimitUnit[limit.unit] as keyof typeof Unit] }
    return {
      code: count > limit.requestsPerUnit ? Code.OVER_LIMIT : Code.OK,
      currentLimit,
      limitRemaining: Math.max(0, limit.requestsPerUnit - count),
      durationUntilReset: { seconds: 42n },
    }
  }
}
