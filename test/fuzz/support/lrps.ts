import { create, toBinary } from '@bufbuild/protobuf'
import * as fc from 'fast-check'
import { ActualLRPSchema, DesiredLRPSchema, type ActualLRP, type DesiredLRP } from '../../../src/common/proto/gen/bbs_pb.js'

/** Text that is a name now and then, and otherwise whatever a field of BBS or Cloud Controller can carry. */
export const text = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'a.mesh',
    'b.mesh/x',
    'B.MESH.',
    '*.mesh',
    'x.internal',
    'a.mesh:80',
    'mesh',
    '',
    '.',
    '/',
    'a.mesh//x/../y',
    'a.mesh/%2e',
    '__proto__',
    'constructor',
  ),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 8 }).map((label) => `${label}.mesh`),
)
const small = fc.constantFrom('p', 'q', 'r')
const int32 = fc.oneof(fc.integer({ min: -2, max: 5 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }))
const uint32 = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom(8080, 65_535, 65_536), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
const tag = fc.option(fc.record({ epoch: fc.oneof(small, text), index: uint32 }), { nil: undefined })

const routerEntry = fc.record(
  {
    hostnames: fc.array(text, { maxLength: 3 }),
    port: fc.oneof(uint32, fc.anything()),
    protocol: fc.oneof(fc.constantFrom('http1', 'http2'), text),
    options: fc.oneof(fc.object({ maxDepth: 2 }), fc.anything()),
  },
  { requiredKeys: [] },
)
const json = fc.oneof(
  fc.array(fc.oneof(routerEntry, fc.record({ hostname: text })), { maxLength: 3 }).map((entries) => JSON.stringify(entries)),
  fc.json({ maxDepth: 3 }),
  text,
)
const routes = fc.dictionary(
  fc.constantFrom('cf-router', 'internal-router', 'tcp-router', '__proto__'),
  json.map((value) => Buffer.from(value ?? '')),
)

/** Desired LRPs that BBS could send, whatever their fields mean. */
export const desiredLrps: fc.Arbitrary<DesiredLRP> = fc
  .record({
    processGuid: fc.oneof(small, text),
    domain: fc.constantFrom('cf-apps', 'other', ''),
    instances: int32,
    logGuid: fc.oneof(small, text),
    ports: fc.array(uint32, { maxLength: 2 }),
    routes: fc.option(
      routes.map((byRouter) => ({ routes: byRouter })),
      { nil: undefined },
    ),
    modificationTag: tag,
    metricTags: fc.dictionary(
      fc.constantFrom('app_id', 'app_name', 'process_type', 'space_id', 'organization_id', 'x'),
      text.map((value) => ({ static: value })),
    ),
  })
  .map((fields) => create(DesiredLRPSchema, fields))

/** Actual LRPs that BBS could send, whatever their fields mean. */
export const actualLrps: fc.Arbitrary<ActualLRP> = fc
  .record({
    actualLrpKey: fc.record({ processGuid: fc.oneof(small, text), index: int32, domain: fc.constantFrom('cf-apps', '') }),
    actualLrpInstanceKey: fc.option(fc.record({ instanceGuid: fc.oneof(small, text), cellId: text }), { nil: undefined }),
    actualLrpNetInfo: fc.option(
      fc.record({
        address: fc.oneof(fc.constantFrom('10.0.0.1', '::1', '256.1.1.1'), text),
        instanceAddress: fc.oneof(fc.constantFrom('10.255.0.1'), text),
        preferredAddress: int32,
        ports: fc.array(fc.record({ containerPort: uint32, hostPort: uint32, containerTlsProxyPort: uint32, hostTlsProxyPort: uint32 }), {
          maxLength: 3,
        }),
      }),
      { nil: undefined },
    ),
    state: fc.oneof(fc.constantFrom('RUNNING', 'CLAIMED', 'CRASHED'), text),
    since: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    modificationTag: tag,
    presence: int32,
    routable: fc.option(fc.boolean(), { nil: undefined }),
    availabilityZone: text,
  })
  .map((fields) => create(ActualLRPSchema, fields))

export const encodedDesired = desiredLrps.map((lrp) => toBinary(DesiredLRPSchema, lrp))
export const encodedActual = actualLrps.map((lrp) => toBinary(ActualLRPSchema, lrp))
