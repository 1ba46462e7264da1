import { create, type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf'
import {
  type ActualLRP,
  ActualLRPCrashedEventSchema,
  ActualLRPInfoSchema,
  ActualLRPInstanceChangedEventSchema,
  ActualLRPInstanceCreatedEventSchema,
  ActualLRPInstanceRemovedEventSchema,
  type DesiredLRP,
  DesiredLRPChangedEventSchema,
  DesiredLRPCreatedEventSchema,
  DesiredLRPRemovedEventSchema,
} from '../../../common/proto/gen/bbs_pb.js'

/** One event of the stream. Encoded when first sent, and once for all subscribers. */
export class BbsEvent {
  readonly name: string
  readonly processGuid: string
  /** The cell that it is about; absent for desired LRPs, which every subscriber gets. */
  readonly cellId: string | undefined
  readonly #encode: () => Uint8Array
  #data: string | undefined

  constructor(name: string, processGuid: string, cellId: string | undefined, encode: () => Uint8Array) {
    this.name = name
    this.processGuid = processGuid
    this.cellId = cellId
    this.#encode = encode
  }

  /** The protobuf message in standard base64. */
  get data(): string {
    return (this.#data ??= Buffer.from(this.#encode()).toString('base64'))
  }
}

/** Hands each event to every subscriber, in order. */
export class EventHub {
  readonly #subscribers = new Set<(event: BbsEvent) => void>()

  get subscribers(): number {
    return this.#subscribers.size
  }

  emit(...events: BbsEvent[]): void {
    for (const event of events) for (const subscriber of this.#subscribers) subscriber(event)
  }

  /** Returns the function that ends the subscription. */
  subscribe(subscriber: (event: BbsEvent) => void): () => void {
    this.#subscribers.add(subscriber)
    return () => this.#subscribers.delete(subscriber)
  }
}

const desired = <Schema extends DescMessage>(
  name: string,
  { processGuid }: DesiredLRP,
  schema: Schema,
  message: () => MessageShape<Schema>,
) => new BbsEvent(name, processGuid, undefined, () => toBinary(schema, message()))

const actual = <Schema extends DescMessage>(
  name: string,
  { actualLrpKey, actualLrpInstanceKey }: ActualLRP,
  schema: Schema,
  message: () => MessageShape<Schema>,
) => new BbsEvent(name, actualLrpKey!.processGuid, actualLrpInstanceKey?.cellId ?? '', () => toBinary(schema, message()))

export const desiredCreated = (lrp: DesiredLRP): BbsEvent =>
  desired('desired_lrp_created', lrp, DesiredLRPCreatedEventSchema, () => create(DesiredLRPCreatedEventSchema, { desiredLrp: lrp }))

export const desiredChanged = (before: DesiredLRP, after: DesiredLRP): BbsEvent =>
  desired('desired_lrp_changed', after, DesiredLRPChangedEventSchema, () => create(DesiredLRPChangedEventSchema, { before, after }))

export const desiredRemoved = (lrp: DesiredLRP): BbsEvent =>
  desired('desired_lrp_removed', lrp, DesiredLRPRemovedEventSchema, () => create(DesiredLRPRemovedEventSchema, { desiredLrp: lrp }))

export const actualCreated = (lrp: ActualLRP): BbsEvent =>
  actual('actual_lrp_instance_created', lrp, ActualLRPInstanceCreatedEventSchema, () =>
    create(ActualLRPInstanceCreatedEventSchema, { actualLrp: lrp }),
  )

export const actualRemoved = (lrp: ActualLRP): BbsEvent =>
  actual('actual_lrp_instance_removed', lrp, ActualLRPInstanceRemovedEventSchema, () =>
    create(ActualLRPInstanceRemovedEventSchema, { actualLrp: lrp }),
  )

/** Names the instance that it was before if it is none any more. */
export const actualChanged = (before: ActualLRP, after: ActualLRP): BbsEvent => {
  const named = hasInstance(after) ? after : before
  const { actualLrpKey, actualLrpInstanceKey } = named
  return actual('actual_lrp_instance_changed', named, ActualLRPInstanceChangedEventSchema, () =>
    create(ActualLRPInstanceChangedEventSchema, { actualLrpKey, actualLrpInstanceKey, before: info(before), after: info(after) }),
  )
}

export const actualCrashed = (before: ActualLRP, after: ActualLRP): BbsEvent =>
  actual('actual_lrp_crashed', before, ActualLRPCrashedEventSchema, () =>
    create(ActualLRPCrashedEventSchema, {
      actualLrpKey: after.actualLrpKey,
      actualLrpInstanceKey: before.actualLrpInstanceKey,
      crashCount: after.crashCount,
      crashReason: after.crashReason,
      since: after.since,
    }),
  )

export const hasInstance = ({ actualLrpInstanceKey: key }: ActualLRP): boolean => Boolean(key?.instanceGuid || key?.cellId)

const info = (lrp: ActualLRP) =>
  create(ActualLRPInfoSchema, {
    actualLrpNetInfo: lrp.actualLrpNetInfo,
    crashCount: lrp.crashCount,
    crashReason: lrp.crashReason,
    state: lrp.state,
    placementError: lrp.placementError,
    since: lrp.since,
    modificationTag: lrp.modificationTag,
    presence: lrp.presence,
    routable: lrp.routable,
    availabilityZone: lrp.availabilityZone,
  })
