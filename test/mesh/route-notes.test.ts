import { test } from 'tap'
import type { Destination, RouteOptions } from '../../src/mesh/records.ts'
import { routeNotes } from '../../src/mesh/route-notes.ts'

const to = (protocol: 'http1' | 'http2' = 'http1', weight?: number): Destination => ({
  app: 'app',
  type: 'web',
  port: 8080,
  protocol,
  processes: [],
  ...(weight === undefined ? {} : { weight }),
})
const checked = (how: string) => [{ annotations: { 'mesh.cloudfoundry.org/health-check': how } }]
const notesOf = (
  destinations: Destination[],
  options: RouteOptions = {},
  apps = checked('none'),
  rest: Parameters<typeof routeNotes>[2] = {},
): string[] => routeNotes({ options, destinations }, apps, rest)

test('what a route gets as it asks is not told of', async (t) => {
  t.same(notesOf([to()]), [])
  t.same(notesOf([to('http1', 9), to('http1', 1)]), [])
  t.same(notesOf([to()], { loadbalancing: 'hash', hash_header: 'x-tenant' }), [])
  t.same(notesOf([to()], { loadbalancing: 'least-connection' }, checked('http:/healthz interval=10s')), [])
  t.same(notesOf([to('http2')], {}, checked('grpc')), [])
  t.same(notesOf([to()], {}, [], { usual: { loadBalancing: 'random', healthCheck: 'tcp' } }), [])
})

test('what it asks for and does not get is', async (t) => {
  t.match(notesOf([to('http1'), to('http2')]), [/mix http1 and http2/])
  t.match(notesOf([to()], { loadbalancing: 'hash' }), [/hash_header is missing/])
  t.match(notesOf([to()], { loadbalancing: 'least-connection' }, [], { balanced: true }), [
    /DestinationRule.*loadbalancing=least-connection is not used/,
  ])
  t.match(notesOf([to('http1', 9), to('http1', 1)], { loadbalancing: 'least-connection' }), [
    /weights hold only.*least-connection is not used/,
  ])
  t.match(notesOf([to('http1', 9)], {}, [], { usual: { loadBalancing: 'random', healthCheck: 'none' } }), [
    /weights hold only.*random is not used/,
  ])
  t.match(notesOf([to()], {}, checked('ping')), [/"ping" is none of http:\/PATH, tcp/])
  t.match(notesOf([to()], {}, checked('http:/a\u0001b')), [/is none of http:\/PATH, tcp/], 'what Envoy would refuse')
  t.match(notesOf([to()], {}, checked('grpc')), [/gRPC is HTTP\/2.*--app-protocol http2/])
  t.match(notesOf([to()], {}, [], { usual: { loadBalancing: 'round-robin', healthCheck: 'grpc' } }), [/gRPC is HTTP\/2/])
  t.same(notesOf([to()], {}, checked('grpc'), { protocol: 'http2' }), [], 'a rule has it spoken to over HTTP/2')
})
