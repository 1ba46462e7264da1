import { Client, credentials } from '@grpc/grpc-js'
import { create, toBinary } from '@bufbuild/protobuf'
import * as fc from 'fast-check'
import { DeltaDiscoveryRequestSchema } from '../../src/common/proto/gen/envoy/service/discovery/v3/discovery_pb.js'
import { deltaClientMethod } from '../../src/common/xds/protocol.ts'
import { RawClient, resource, startServer, typeUrls } from '../common/xds-raw-client.ts'
import { eventually } from '../support/wait.ts'
import { damaged } from './support/damage.ts'
import { text } from './support/lrps.ts'
import type { Part } from './support/run.ts'

const names = fc.array(fc.oneof(fc.constantFrom('*', 'c1', 'c2', ''), text), { maxLength: 3 })
const request = fc
  .record({
    node: fc.option(fc.record({ id: text, cluster: text }), { nil: undefined }),
    typeUrl: fc.oneof(fc.constantFrom(...Object.values(typeUrls)), text),
    resourceNamesSubscribe: names,
    resourceNamesUnsubscribe: names,
    initialResourceVersions: fc.dictionary(fc.constantFrom('c1', 'c9', '__proto__'), text),
    responseNonce: fc.oneof(fc.constantFrom('', '1', '2', '-1', '999'), text),
    errorDetail: fc.option(fc.record({ code: fc.integer(), message: text }), { nil: undefined }),
  })
  .map((fields) => toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, fields)))
const streams = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: request.map((bytes) => Buffer.from(bytes)) },
    { weight: 2, arbitrary: damaged(request) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
  ),
  { maxLength: 5 },
)

/** Streams of delta requests, well-formed and damaged: the server ends them or goes on, and an honest client beside them is served. */
export const xdsRequests: Part = {
  name: 'xds-requests',
  what: 'requests to the delta ADS server of pilot and of the agent',
  async run(run) {
    const { cache, server, address } = await startServer()
    cache.apply({ changed: ['c1', 'c2', 'c3'].map((name) => resource('cluster', name)), removed: [] })
    const honest = new RawClient(address).subscribe(['cluster']).acknowledgeAll()
    const hostile = new Client(address, credentials.createInsecure())
    run.watch()
    let told = 0
    await run.property(streams, async (messages) => {
      const call = hostile.makeBidiStreamRequest(
        deltaClientMethod.path,
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
      )
      const ended = new Promise((resolve) => call.on('status', resolve).on('error', () => {}))
      call.on('data', () => {})
      for (const message of messages) call.write(message)
      call.end()
      await ended
      if (++told % 100) return
      cache.apply({ changed: [resource('cluster', 'c1', `version ${told}`)], removed: [] })
      honest.messages.length = 0
      await eventually(() => honest.received().includes('cluster c1'))
    })
    await eventually(() => server.clients().length === 1)
    hostile.close()
    honest.close()
    server.close()
  },
}
