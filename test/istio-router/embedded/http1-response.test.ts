import { test } from 'tap'
import { BadResponse, ResponseReader } from '../../../src/istio-router/embedded/upstream/http1-response.ts'

interface Seen {
  informational: number[]
  status: number
  headers: string[]
  body: string
  ended: unknown
  reusable: boolean
  idleTime: number
  /** What came behind the response. */
  rest: string
}

/** Reads what an endpoint sent in pieces of `size` bytes; the connection ends behind it where `closes`. */
function read(sent: string, { method = 'GET', upgrade = false, closes = false, size = Infinity } = {}): Seen {
  const bytes = Buffer.from(sent, 'latin1')
  const seen: Seen = { informational: [], status: 0, headers: [], body: '', ended: undefined, reusable: false, idleTime: 0, rest: '' }
  const reader = new ResponseReader({
    informational: (status) => void seen.informational.push(status),
    head: (status, headers) => void Object.assign(seen, { status, headers }),
    data: (chunk) => void (seen.body += chunk.toString('latin1')),
  })
  reader.begin(method, upgrade)
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size)
    seen.rest += piece.subarray(reader.read(piece)).toString('latin1')
  }
  if (closes) reader.close()
  return Object.assign(seen, { ended: reader.ended, reusable: reader.reusable, idleTime: reader.idleTime })
}

const responses: Record<string, { sent: string; options?: Parameters<typeof read>[1]; seen: Partial<Seen> }> = {
  'a body of a stated length': {
    sent: 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A:\t b \r\n\r\nbody',
    seen: {
      status: 200,
      headers: ['content-length', '4', 'x-a', 'b'],
      body: 'body',
      ended: { trailers: [] },
      reusable: true,
      idleTime: Infinity,
    },
  },
  'a length of zero, however written': {
    sent: 'HTTP/1.1 200 OK\r\nContent-Length: 00\r\n\r\n',
    seen: { status: 200, body: '', ended: { trailers: [] }, reusable: true },
  },
  'chunks with extensions and trailers': {
    sent: 'HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n4;a=b\r\nbo\r\n\r\nA\r\n0123456789\r\n0\r\nX-T: t\r\n\r\n',
    seen: { body: 'bo\r\n0123456789', ended: { trailers: ['x-t', 't'] }, reusable: true },
  },
  'a body up to the end': {
    sent: 'HTTP/1.1 200 OK\r\n\r\nbody',
    options: { closes: true },
    seen: { body: 'body', ended: { trailers: [] }, reusable: false },
  },
  'an end too early': {
    sent: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbody',
    options: { closes: true },
    seen: { body: 'body', ended: undefined },
  },
  'an end between chunks': {
    sent: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n',
    options: { closes: true },
    seen: { ended: undefined },
  },
  HEAD: {
    sent: 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n',
    options: { method: 'HEAD' },
    seen: { body: '', ended: { trailers: [] }, reusable: true },
  },
  '304': { sent: 'HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n', seen: { status: 304, ended: { trailers: [] } } },
  'an empty reason, none at all': { sent: 'HTTP/1.1 204\r\n\r\n', seen: { status: 204, ended: { trailers: [] } } },
  'informational heads': {
    sent: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    seen: { informational: [100, 103], status: 204, headers: [] },
  },
  'a switch of protocols': {
    sent: 'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\nhi',
    options: { upgrade: true },
    seen: { ended: { switched: ['upgrade', 'websocket'] }, rest: 'hi' },
  },
  'what nobody asked for': {
    sent: 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1 200 OK\r\n',
    seen: { body: 'a', rest: 'HTTP/1.1 200 OK\r\n' },
  },
  'a connection that is closed behind it': { sent: 'HTTP/1.1 204 No Content\r\nconnection: x, Close\r\n\r\n', seen: { reusable: false } },
  'HTTP/1.0': { sent: 'HTTP/1.0 204 No Content\r\n\r\n', seen: { reusable: false } },
  'HTTP/1.0 that goes on': { sent: 'HTTP/1.0 204 No Content\r\nconnection: keep-alive\r\n\r\n', seen: { reusable: true } },
  'a time to be idle': {
    sent: 'HTTP/1.1 204 No Content\r\nkeep-alive: timeout=5, max=9\r\n\r\n',
    seen: { reusable: true, idleTime: 4000 },
  },
}

test('responses are read alike in one piece and in bytes', async (t) => {
  for (const [name, { sent, options, seen }] of Object.entries(responses)) {
    for (const size of [Infinity, 1, 3]) t.match(read(sent, { ...options, size }), { ...seen, rest: seen.rest ?? '' }, `${name}, ${size}`)
  }
})

test('what could be read in two ways is no response', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\n'
  const bad: Record<string, string> = {
    'no HTTP': 'garbage\r\n\r\n',
    'HTTP/2': 'HTTP/2 200 OK\r\n\r\n',
    'a status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
    'bare LF': 'HTTP/1.1 200 OK\ncontent-length: 0\n\n',
    'bare LF in a header': `${head}a: b\nc: d\r\n\r\n`,
    'bare CR': `${head}a: b\rc: d\r\n\r\n`,
    NUL: `${head}a: b\0\r\n\r\n`,
    'space before the colon': `${head}content-length : 1\r\n\r\na`,
    'a folded header': `${head}a: b\r\n c\r\n\r\n`,
    'no colon': `${head}a\r\n\r\n`,
    'two lengths': `${head}content-length: 1\r\ncontent-length: 1\r\n\r\na`,
    'a list of lengths': `${head}content-length: 1, 1\r\n\r\na`,
    'a signed length': `${head}content-length: +1\r\n\r\na`,
    'length and chunks': `${head}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n`,
    'another encoding': `${head}transfer-encoding: gzip, chunked\r\n\r\n`,
    'chunked twice': `${head}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n`,
    'a chunk size with a sign': `${head}transfer-encoding: chunked\r\n\r\n+1\r\na\r\n`,
    'a chunk size in another base': `${head}transfer-encoding: chunked\r\n\r\n0x1\r\na\r\n`,
    'no chunk size': `${head}transfer-encoding: chunked\r\n\r\n\r\n`,
    'a chunk longer than its size': `${head}transfer-encoding: chunked\r\n\r\n1\r\nab\r\n`,
    'a chunk size that no number holds': `${head}transfer-encoding: chunked\r\n\r\n${'f'.repeat(16)}\r\n`,
    'a switch that nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    'a header without end': `${head}a: ${'b'.repeat(70_000)}`,
    'trailers without end': `${head}transfer-encoding: chunked\r\n\r\n0\r\n${'a: b\r\n'.repeat(20_000)}`,
  }
  for (const [name, sent] of Object.entries(bad))
    for (const size of [Infinity, 1]) t.ok(faultOf(() => read(sent, { size })) instanceof BadResponse, `${name}, ${size}`)
})

function faultOf(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

test('nothing is told after a stop', async (t) => {
  let told = 0
  const reader: ResponseReader = new ResponseReader({ informational() {}, head: () => reader.stop(), data: () => void told++ })
  reader.begin('GET', false)
  reader.read(Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody'))
  t.strictSame([told, reader.ended], [0, undefined])
})
