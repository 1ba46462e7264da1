import { create, toBinary } from '@bufbuild/protobuf'
import * as fc from 'fast-check'
import {
  ActualLRPInstanceChangedEventSchema,
  ActualLRPInstanceCreatedEventSchema,
  ActualLRPInstanceRemovedEventSchema,
  DesiredLRPChangedEventSchema,
  DesiredLRPCreatedEventSchema,
  DesiredLRPRemovedEventSchema,
} from '../../src/common/proto/gen/bbs_pb.js'
import { Bbs } from '../../src/platform/bbs/client.ts'
import { FakeBbs } from '../platform/support/bbs.ts'
import { tlsFiles } from '../platform/support/certificates.ts'
import { damaged, damagedText } from './support/damage.ts'
import { actualLrps, desiredLrps, text } from './support/lrps.ts'
import type { Part } from './support/run.ts'

const payloads: Record<string, fc.Arbitrary<Uint8Array>> = {
  desired_lrp_created: desiredLrps.map((desiredLrp) =>
    toBinary(DesiredLRPCreatedEventSchema, create(DesiredLRPCreatedEventSchema, { desiredLrp })),
  ),
  desired_lrp_changed: desiredLrps.map((after) => toBinary(DesiredLRPChangedEventSchema, create(DesiredLRPChangedEventSchema, { after }))),
  desired_lrp_removed: desiredLrps.map((desiredLrp) =>
    toBinary(DesiredLRPRemovedEventSchema, create(DesiredLRPRemovedEventSchema, { desiredLrp })),
  ),
  actual_lrp_instance_created: actualLrps.map((actualLrp) =>
    toBinary(ActualLRPInstanceCreatedEventSchema, create(ActualLRPInstanceCreatedEventSchema, { actualLrp })),
  ),
  actual_lrp_instance_removed: actualLrps.map((actualLrp) =>
    toBinary(ActualLRPInstanceRemovedEventSchema, create(ActualLRPInstanceRemovedEventSchema, { actualLrp })),
  ),
  actual_lrp_instance_changed: actualLrps.map(({ actualLrpKey, actualLrpInstanceKey, $typeName: _type, ...after }) =>
    toBinary(
      ActualLRPInstanceChangedEventSchema,
      create(ActualLRPInstanceChangedEventSchema, {
        actualLrpKey,
        actualLrpInstanceKey,
        after: { ...after, $typeName: 'models.ActualLRPInfo' },
      }),
    ),
  ),
}
const event = fc.oneof(
  ...Object.entries(payloads).map(([name, payload]) =>
    damaged(payload).map((bytes) => `id: 1\nevent: ${name}\ndata: ${bytes.toString('base64')}\n\n`),
  ),
  fc.tuple(text, text).map(([name, data]) => `event: ${name}\ndata: ${data}\n\n`),
  fc.constantFrom(':\n\n', 'data\n\n', '\n\n', 'event: desired_lrp_created\n\n', 'retry: 1\n\n'),
)
const chunk = (content: string): string => `${Buffer.byteLength(content).toString(16)};\r\n${content}\r\n`
const streams = fc.oneof(
  {
    weight: 4,
    arbitrary: damagedText(
      fc
        .array(event, { maxLength: 4 })
        .map(
          (events) =>
            `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n${events.map(chunk).join('')}`,
        ),
    ),
  },
  {
    weight: 1,
    arbitrary: damagedText(
      fc.array(event, { maxLength: 4 }).map((events) => `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n${events.join('')}`),
    ),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
)

/**
 * The event stream of BBS, damaged in its head, chunks, fields and messages: it ends with a refusal, and what it told until then are whole
 * events.
 */
export const bbsEvents: Part = {
  name: 'bbs-events',
  what: 'protobuf in server-sent events of BBS',
  async run(run) {
    const server = await new FakeBbs().listen()
    const bbs = new Bbs({
      addresses: [server.url],
      tls: tlsFiles('route-syncer.service.cf.internal'),
      serverName: 'bbs.service.cf.internal',
      timeout: 5000,
    })
    run.watch()
    await run.property(streams, async (bytes) => {
      server.answers.set('/v1/events/lrp_instances.r1', bytes)
      server.requests.length = 0
      const stop = new AbortController()
      const ended = (await bbs
        .follow({
          signal: stop.signal,
          onOpen: () => {},
          onEvent: ({ lrp }) => {
            const key = 'processGuid' in lrp ? lrp.processGuid : lrp.actualLrpKey
            if (!key) stop.abort(new Error('an event without a key'))
          },
        })
        .catch((error: unknown) => error)) as { code?: string }
      if (!/^MESH_|^EPIPE$|^ECONNRESET$/.test(ended.code ?? '')) throw ended
    })
    await bbs.close()
    await server.close()
  },
}
