import { fromJson, toBinary } from '@bufbuild/protobuf'
import * as fc from 'fast-check'
import { test } from 'tap'
import { ClusterLoadAssignmentSchema } from '../../src/common/proto/gen/envoy/config/endpoint/v3/endpoint_pb.js'
import { assignmentOf, type LbEndpoint, type LbGroup } from '../../src/pilot/translate/lb-endpoints.ts'

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 })
const endpoint = fc.record<LbEndpoint>({
  name: text,
  address: fc.ipV4(),
  port: fc.integer({ min: 1, max: 65_535 }),
  weight: fc.option(fc.nat(4_294_967_295), { nil: undefined }),
  mesh: fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true }),
})
const place = fc.record({
  locality: fc.record({ region: fc.string(), zone: fc.string(), subZone: fc.string() }),
  priority: fc.nat(128),
  weight: fc.nat(1_000_000),
})
const group = fc.record<LbGroup>({ endpoints: fc.array(endpoint, { maxLength: 5 }), place }, { requiredKeys: ['endpoints'] })

/** The same as the library encodes it. */
function encoded(name: string, groups: LbGroup[], named: string[]): Buffer {
  const endpoints = groups.map(({ endpoints, place }) => ({
    ...(place && { locality: { ...place.locality }, priority: place.priority, loadBalancingWeight: place.weight }),
    lbEndpoints: endpoints.map(({ name, address, port, weight, mesh = {} }) => ({
      endpoint: { hostname: name, address: { socketAddress: { address, portValue: port } } },
      ...(weight !== undefined && { loadBalancingWeight: weight }),
      metadata: { filterMetadata: { mesh: Object.fromEntries(Object.entries(mesh).map(([key, value = '']) => [key, value])) } },
    })),
  }))
  const namedEndpoints = Object.fromEntries(named.map((key) => [key, {}]))
  return Buffer.from(
    toBinary(ClusterLoadAssignmentSchema, fromJson(ClusterLoadAssignmentSchema, { clusterName: name, endpoints, namedEndpoints })),
  )
}

test('endpoints are put together byte for byte as the library encodes them', async () => {
  fc.assert(
    fc.property(text, fc.array(group, { maxLength: 4 }), fc.uniqueArray(fc.uuid(), { maxLength: 1 }), (name, groups, named) => {
      const made = assignmentOf(name, groups, named).any.value
      if (Buffer.compare(made, encoded(name, groups, named)) !== 0)
        throw new Error(`${Buffer.from(made).toString('hex')} is not ${encoded(name, groups, named).toString('hex')}`)
    }),
  )
})
