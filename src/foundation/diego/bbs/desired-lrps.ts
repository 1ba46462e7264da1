import { randomUUID } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import {
  type DesiredLRP,
  DesiredLRPSchema,
  DesiredLRPSchedulingInfoSchema,
  type DesiredLRPUpdate,
  DesiredLRPUpdateSchema,
} from '../../../common/proto/gen/bbs_pb.js'
import { type ActualLrps, next } from './actual-lrps.ts'
import type { Cells } from './cells.ts'
import { InvalidField, ResourceExists, ResourceNotFound } from './errors.ts'
import { desiredChanged, desiredCreated, desiredRemoved, type EventHub } from './events.ts'
import { Element, revised } from './row.ts'

export interface DesiredFilter {
  domain?: string
  processGuids?: string[]
}

const maxAnnotation = 10 * 1024
const maxRoutes = 128 * 1024

/** The desired LRPs, and what a change of one means for the actual ones. */
export class DesiredLrps {
  readonly #hub: EventHub
  readonly #actual: ActualLrps
  readonly #cells: Cells
  readonly #rows = new Map<string, DesiredRow>()

  constructor(hub: EventHub, actual: ActualLrps, cells: Cells) {
    this.#hub = hub
    this.#actual = actual
    this.#cells = cells
  }

  list({ domain, processGuids = [] }: DesiredFilter = {}): DesiredRow[] {
    const rows = processGuids.length ? [...new Set(processGuids)].flatMap((guid) => this.#rows.get(guid) ?? []) : [...this.#rows.values()]
    return domain ? rows.filter((row) => row.lrp.domain === domain) : rows
  }

  find(processGuid: string): DesiredLRP | undefined {
    return this.#rows.get(processGuid)?.lrp
  }

  desire(desired: DesiredLRP): void {
    validate(desired)
    if (this.#rows.has(desired.processGuid)) throw ResourceExists()
    const lrp = this.#put(revised(DesiredLRPSchema, desired, { modificationTag: { epoch: randomUUID(), index: 0 } }))
    this.#hub.emit(desiredCreated(lrp))
    this.#fill(lrp, 0)
  }

  update(processGuid: string, update: DesiredLRPUpdate = create(DesiredLRPUpdateSchema)): void {
    const before = this.#get(processGuid)
    const after = revised(DesiredLRPSchema, before, {
      instances: update.instances ?? before.instances,
      routes: update.routes ?? before.routes,
      annotation: update.annotation ?? before.annotation,
      metricTags: Object.keys(update.metricTags).length ? update.metricTags : before.metricTags,
      modificationTag: next(before.modificationTag!),
    })
    validate(after)
    this.#put(after)
    // As in BBS: what it does to actual LRPs is told before the change itself.
    if (after.instances > before.instances) this.#fill(after, before.instances)
    if (after.instances < before.instances) this.#stopFrom(processGuid, after.instances)
    this.#cells.updated(after)
    this.#hub.emit(desiredChanged(before, after))
  }

  remove(processGuid: string): void {
    const lrp = this.#get(processGuid)
    this.#rows.delete(processGuid)
    this.#hub.emit(desiredRemoved(lrp))
    this.#stopFrom(processGuid, 0)
  }

  /** Makes the actual LRPs that are missing, and has them placed. */
  converge(processGuid: string): void {
    const lrp = this.find(processGuid)
    if (lrp) this.#fill(lrp, 0)
  }

  /** Takes one instance away; while it is desired another takes its place. */
  retire(processGuid: string, index: number): void {
    const lrp = this.#actual.find(processGuid, index)
    if (!lrp) throw ResourceNotFound()
    if (lrp.state !== 'UNCLAIMED' && lrp.state !== 'CRASHED' && this.#cells.stopInstance(lrp)) return this.#actual.announceRetired(lrp)
    this.#actual.remove(processGuid, index)
    this.converge(processGuid)
  }

  #fill({ processGuid, instances, domain }: DesiredLRP, from: number): void {
    for (let index = from; index < instances; index++) {
      if (this.#actual.createUnclaimed(processGuid, index, domain)) this.#cells.place(processGuid, index)
    }
  }

  /** One that runs is left to its cell, which removes it when the container is gone; a cell that is not there changes nothing. */
  #stopFrom(processGuid: string, index: number): void {
    for (const { message } of this.#actual.list({ processGuid })) {
      if (message.actualLrpKey!.index < index) continue
      if (message.state === 'UNCLAIMED' || message.state === 'CRASHED') this.#actual.remove(processGuid, message.actualLrpKey!.index)
      else this.#cells.stopInstance(message)
    }
  }

  #get(processGuid: string): DesiredLRP {
    const lrp = this.find(processGuid)
    if (!lrp) throw ResourceNotFound()
    return lrp
  }

  #put(lrp: DesiredLRP): DesiredLRP {
    this.#rows.set(lrp.processGuid, new DesiredRow(lrp))
    return lrp
  }
}

/** One version of a desired LRP, never changed, as the list endpoints show it: whole, for routing only, for scheduling. */
export class DesiredRow {
  readonly lrp: DesiredLRP
  #whole: Element | undefined
  #routing: Element | undefined
  #scheduling: Element | undefined

  constructor(lrp: DesiredLRP) {
    this.lrp = lrp
  }

  get whole(): Element {
    return (this.#whole ??= Element.of(DesiredLRPSchema, () => this.lrp))
  }

  get routing(): Element {
    return (this.#routing ??= Element.of(DesiredLRPSchema, () => {
      const { processGuid, domain, logGuid, instances, routes, modificationTag, metricTags } = this.lrp
      return create(DesiredLRPSchema, { processGuid, domain, logGuid, instances, routes, modificationTag, metricTags })
    }))
  }

  get scheduling(): Element {
    return (this.#scheduling ??= Element.of(DesiredLRPSchedulingInfoSchema, () => {
      const { processGuid, domain, logGuid, memoryMb, diskMb, rootFs, annotation, instances, routes, modificationTag } = this.lrp
      const desiredLrpKey = { processGuid, domain, logGuid }
      const desiredLrpResource = { memoryMb, diskMb, rootFs }
      return create(DesiredLRPSchedulingInfoSchema, { desiredLrpKey, desiredLrpResource, annotation, instances, routes, modificationTag })
    }))
  }
}

function validate({ processGuid, domain, rootFs, instances, memoryMb, diskMb, annotation, routes }: DesiredLRP): void {
  const routesLength = Object.values(routes?.routes ?? {}).reduce((length, value) => length + value.length, 0)
  const invalid = [
    !domain && 'domain',
    !URL.canParse(rootFs) && 'rootfs',
    instances < 0 && 'instances',
    memoryMb < 0 && 'memory_mb',
    diskMb < 0 && 'disk_mb',
    annotation.length > maxAnnotation && 'annotation',
    routesLength > maxRoutes && 'routes',
    !/^[a-zA-Z0-9_-]+$/.test(processGuid) && 'process_guid',
  ].filter((field) => field !== false)
  if (invalid.length) throw InvalidField(...invalid)
}
