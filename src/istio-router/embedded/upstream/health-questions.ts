import { Readable } from 'node:stream'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { Question } from '../resources/health-check.ts'
import type { AttemptEvents, Pool, RequestBody, UpstreamRequest } from './attempt.ts'
import { connect, type Target } from './connect.ts'
import { Http1Pool } from './http1.ts'
import { Http2Pool } from './http2.ts'

/** What an endpoint says of itself: that it is ill counts at once, that it cannot be asked, or fails, only after some times. */
export type Verdict = 'well' | 'ill' | 'failed'

/** Asks an endpoint, over connections of its own that are kept. */
export interface Asker {
  /** `done` is called once. Returns what gives up, after which it is not called any more. */
  ask(done: (verdict: Verdict) => void): () => void
  stop(): void
}

/** Asks `question` of the endpoint at `target`, which must show its identity as for any request. */
export function askerOf(question: Question, target: Target): Asker {
  switch (question.kind) {
    case 'tcp':
      return tcp(target)
    case 'http': {
      const request = {
        method: 'GET',
        path: question.path,
        authority: question.host,
        headers: ['user-agent', 'mesh-health-check'],
        body: undefined,
      }
      return overHttp(
        question.version === 2 ? new Http2Pool(target) : new Http1Pool(target),
        () => request,
        ({ status }) => (status === 200 ? 'well' : 'failed'),
      )
    }
    case 'grpc': {
      const request = () => ({
        method: 'POST',
        path: '/grpc.health.v1.Health/Check',
        authority: question.host,
        headers: ['content-type', 'application/grpc', 'te', 'trailers'],
        body: bodyOf(requestOf(question.service)),
      })
      return overHttp(new Http2Pool(target), request, ({ status, trailers, body }) =>
        status !== 200 || trailers['grpc-status'] !== '0' ? 'failed' : isServing(body) ? 'well' : 'ill',
      )
    }
  }
}

/** An endpoint is well that takes connections. */
function tcp(target: Target): Asker {
  const alpn = target.cluster.http.version === 2 ? 'h2' : 'http/1.1'
  return {
    ask(done) {
      let over = false
      connect(target, alpn, (error, socket) => {
        socket?.destroy()
        if (!over) done(error ? 'failed' : 'well')
      })
      return () => void (over = true)
    },
    stop() {},
  }
}

interface Answer {
  status: number
  trailers: Record<string, string>
  body: Buffer
}

type Request = Pick<UpstreamRequest, 'method' | 'path' | 'authority' | 'headers' | 'body'>

function overHttp(pool: Pool, request: () => Request, judge: (answer: Answer) => Verdict): Asker {
  return {
    ask(done) {
      let status = 0
      let head: string[] = []
      const chunks: Buffer[] = []
      const events: AttemptEvents = {
        connected() {},
        informational() {},
        head(code, headers, ended) {
          status = code
          head = headers
          if (ended) events.end([])
          return true
        },
        data(chunk) {
          if (chunks.length < 64) chunks.push(Buffer.from(chunk))
          return true
        },
        end: (trailers) => done(judge({ status, trailers: fieldsOf([...head, ...trailers]), body: Buffer.concat(chunks) })),
        fail: () => done('failed'),
        upgraded: (_headers, socket) => void socket.destroy(),
      }
      const { headers, ...rest } = request()
      const attempt = pool.send({ ...rest, headers: [...headers], scheme: 'http', expectContinue: false, upgrade: undefined }, events)
      return () => attempt.abort()
    },
    stop: () => pool.retire(),
  }
}

const fieldsOf = (list: string[]): Record<string, string> =>
  Object.fromEntries(list.flatMap((name, at) => (at % 2 ? [] : [[name, list[at + 1]!]])))

function bodyOf(bytes: Buffer): RequestBody {
  return { stream: Readable.from([bytes]), sized: true, trailers: () => [], passed() {} }
}

/** A `grpc.health.v1.HealthCheckRequest`, whose field 1 is the service, as a gRPC message. */
function requestOf(service: string): Buffer {
  const message = service ? new BinaryWriter().tag(1, WireType.LengthDelimited).string(service).finish() : Buffer.alloc(0)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Whether a gRPC message is a `HealthCheckResponse` whose field 1, the status, is SERVING (1). */
const isServing = (body: Buffer): boolean => body.length === 7 && body[5] === 0x08 && body[6] === 1
