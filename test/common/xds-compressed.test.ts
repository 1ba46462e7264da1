import { create } from '@bufbuild/protobuf'
import * as fc from 'fast-check'
import { test } from 'tap'
import { NodeSchema } from '../../src/common/proto/gen/envoy/config/core/v3/base_pb.js'
import { compressedFeature, Compressor, Decompressor } from '../../src/common/xds/compressed.ts'
import type { DeltaMessage } from '../../src/common/xds/protocol.ts'
import { seeded } from '../support/seed.ts'
import { resource, typeUrls } from './xds-raw-client.ts'

const node = create(NodeSchema, { id: 'router', clientFeatures: [compressedFeature] })
const texts = ['short', ...['a', 'b', 'c'].map((letter) => `${letter}${'host.mesh.test '.repeat(100)}${letter}`)]

const event = fc.oneof(
  { weight: 3, arbitrary: fc.record({ send: fc.constantFrom('pub', 'int'), text: fc.constantFrom(...texts) }) },
  { weight: 1, arbitrary: fc.record({ remove: fc.constantFrom('pub', 'int') }) },
  { weight: 3, arbitrary: fc.record({ answer: fc.constantFrom('taken', 'refused') }) },
)

test('whatever was answered when, a client makes of each message what was sent', async (t) => {
  const { seed, numRuns } = seeded(t, 1_000)
  const seen = new Set<string>()
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      const [compressor, decompressor] = [new Compressor(), new Decompressor()]
      const waiting: { sent: DeltaMessage; compressed: DeltaMessage }[] = []
      const same = ({ sent, compressed }: (typeof waiting)[number]): boolean =>
        compressed.resources.every(({ any, name }, at) =>
          Buffer.from(decompressor.decompress(any, name, typeUrls.route).value).equals(sent.resources[at]!.any.value),
        )
      return events.every((happens, at) => {
        if (!('answer' in happens)) {
          const sent = {
            typeUrl: typeUrls.route,
            nonce: String(at),
            resources: 'send' in happens ? [resource('route', happens.send, happens.text)] : [],
            removed: 'remove' in happens ? [happens.remove] : [],
          }
          const compressed = compressor.compress(node, sent)
          for (const { any } of compressed.resources) seen.add(any.typeUrl)
          // The client may read it as soon as this, or not before it has answered all that came before.
          return same(waiting[waiting.push({ sent, compressed }) - 1]!)
        }
        const answered = waiting.shift()
        if (!answered) return true
        const whole = same(answered)
        if (happens.answer === 'refused') return whole
        const { nonce, resources, removed } = answered.sent
        decompressor.taken({ changed: resources, removed: removed.map((name) => ({ typeUrl: typeUrls.route, name })) })
        compressor.taken(nonce, resources)
        return whole
      })
    }),
    { seed, numRuns },
  )
  t.match([...seen].sort(), [/RouteConfiguration$/, /mesh.Changes$/, /mesh.Compressed$/])
})
