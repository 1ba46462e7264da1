import { create, fromBinary } from '@bufbuild/protobuf'
import { messageOf, problem } from '../../common/problem.ts'
import {
  ActualLRPInstanceChangedEventSchema,
  ActualLRPInstanceCreatedEventSchema,
  ActualLRPInstanceRemovedEventSchema,
  ActualLRPSchema,
  DesiredLRPChangedEventSchema,
  DesiredLRPCreatedEventSchema,
  DesiredLRPRemovedEventSchema,
  type ActualLRP,
  type DesiredLRP,
} from '../../common/proto/gen/bbs_pb.js'
import type { ServerSentEvent } from './sse.ts'

export const EventInvalid = problem(
  'MESH_BBS_EVENT_INVALID',
  502,
  (name: string, why: string) => `event ${name || 'without a name'}: ${why}`,
)

/** What BBS tells of a change: the state after it, or what was removed. `before` is given where the presence may differ. */
export type BbsEvent =
  | { kind: 'desired'; lrp: DesiredLRP }
  | { kind: 'desired-removed'; lrp: DesiredLRP }
  | { kind: 'actual'; lrp: ActualLRP; before?: ActualLRP }
  | { kind: 'actual-removed'; lrp: ActualLRP }

const decoders = new Map<string, (bytes: Uint8Array) => BbsEvent | undefined>(
  Object.entries({
    desired_lrp_created: (bytes) => desired('desired', fromBinary(DesiredLRPCreatedEventSchema, bytes).desiredLrp),
    desired_lrp_changed: (bytes) => desired('desired', fromBinary(DesiredLRPChangedEventSchema, bytes).after),
    desired_lrp_removed: (bytes) => desired('desired-removed', fromBinary(DesiredLRPRemovedEventSchema, bytes).desiredLrp),
    actual_lrp_instance_created: (bytes) => actual('actual', fromBinary(ActualLRPInstanceCreatedEventSchema, bytes).actualLrp),
    actual_lrp_instance_removed: (bytes) => actual('actual-removed', fromBinary(ActualLRPInstanceRemovedEventSchema, bytes).actualLrp),
    actual_lrp_instance_changed: (bytes) => changed(bytes),
  }),
)

/** Reads an event of `/v1/events/lrp_instances.r1`. Undefined for one that does not concern us; throws `EventInvalid`. */
export function readEvent({ name, data }: ServerSentEvent): BbsEvent | undefined {
  const decode = decoders.get(name)
  if (!decode) return undefined
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(data)) throw EventInvalid(name, 'its data is not base64')
  let event: BbsEvent | undefined
  try {
    event = decode(Buffer.from(data, 'base64'))
  } catch (error) {
    throw EventInvalid(name, messageOf(error))
  }
  if (!event) throw EventInvalid(name, 'it carries no LRP')
  return event
}

function desired(kind: 'desired' | 'desired-removed', lrp: DesiredLRP | undefined): BbsEvent | undefined {
  return lrp?.processGuid ? { kind, lrp } : undefined
}

function actual(kind: 'actual' | 'actual-removed', lrp: ActualLRP | undefined): BbsEvent | undefined {
  return lrp?.actualLrpKey ? { kind, lrp } : undefined
}

function changed(bytes: Uint8Array): BbsEvent | undefined {
  const { actualLrpKey, actualLrpInstanceKey, before, after } = fromBinary(ActualLRPInstanceChangedEventSchema, bytes)
  if (!actualLrpKey || !after) return undefined
  const whole = (info: typeof after): ActualLRP =>
    create(ActualLRPSchema, {
      actualLrpKey,
      actualLrpInstanceKey,
      actualLrpNetInfo: info.actualLrpNetInfo,
      state: info.state,
      since: info.since,
      modificationTag: info.modificationTag,
      presence: info.presence,
      routable: info.routable,
      availabilityZone: info.availabilityZone,
    })
  return { kind: 'actual', lrp: whole(after), ...(before && { before: whole(before) }) }
}
