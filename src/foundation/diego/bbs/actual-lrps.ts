import { randomUUID } from 'node:crypto'
import { create, equals, type MessageInitShape } from '@bufbuild/protobuf'
import {
  type ActualLRP,
  type ActualLRPInstanceKey,
  ActualLRPInstanceKeySchema,
  type ActualLRPKey,
  ActualLRPKeySchema,
  ActualLRPNetInfoSchema,
  ActualLRPSchema,
  type ModificationTag,
  ModificationTagSchema,
  type StartActualLRPRequest,
} from '../../../common/proto/gen/bbs_pb.js'
import { CannotBeClaimed, CannotBeCrashed, CannotBeFailed, CannotBeStarted, CannotBeUnclaimed, ResourceNotFound } from './errors.ts'
import { actualChanged, actualCrashed, actualCreated, actualRemoved, type EventHub } from './events.ts'
import { type RestartPolicy, restartDelay } from './restart-policy.ts'
import { Element, revised } from './row.ts'

export type State = 'UNCLAIMED' | 'CLAIMED' | 'RUNNING' | 'CRASHED'

/** One version of an actual LRP, never changed. */
export class ActualRow {
  readonly message: ActualLRP
  #element: Element | undefined

  constructor(message: ActualLRP) {
    this.message = message
  }

  get element(): Element {
    return (this.#element ??= Element.of(ActualLRPSchema, () => this.message))
  }
}

export interface ActualFilter {
  domain?: string
  cellId?: string
  processGuid?: string
  index?: number | undefined
}

export type StartRequest = Pick<
  StartActualLRPRequest,
  'actualLrpInternalRoutes' | 'metricTags' | 'availabilityZone' | 'actualLrpNetInfo'
> & {
  routable?: boolean | undefined
  /** Nanoseconds since 1970; now if absent. */
  since?: bigint | undefined
}

/** What becomes of an LRP that crashed: when it is to be placed again, if at all. */
export interface CrashOutcome {
  crashCount: number
  restartAfterMs: number | undefined
}

/** Longest crash reason and placement error that is kept, characters. */
const maxReason = 1024

/** The actual LRPs and their transitions, with the events that the real BBS emits for each (its events/calculator). */
export class ActualLrps {
  readonly #hub: EventHub
  readonly #policy: RestartPolicy
  readonly #processes = new Map<string, Map<number, ActualRow>>()

  constructor(hub: EventHub, policy: RestartPolicy) {
    this.#hub = hub
    this.#policy = policy
  }

  list({ domain, cellId, processGuid, index }: ActualFilter = {}): ActualRow[] {
    const rows: ActualRow[] = []
    const processes = processGuid ? [this.#processes.get(processGuid) ?? new Map<number, ActualRow>()] : this.#processes.values()
    for (const process of processes) {
      for (const row of process.values()) {
        const { actualLrpKey: key, actualLrpInstanceKey: instance } = row.message
        if (domain && key!.domain !== domain) continue
        if (cellId && instance?.cellId !== cellId) continue
        if (index !== undefined && key!.index !== index) continue
        rows.push(row)
      }
    }
    return rows
  }

  find(processGuid: string, index: number): ActualLRP | undefined {
    return this.#processes.get(processGuid)?.get(index)?.message
  }

  /** Makes an unclaimed one, unless the index is taken. Says whether it did. */
  createUnclaimed(processGuid: string, index: number, domain: string): boolean {
    if (this.find(processGuid, index)) return false
    const lrp = create(ActualLRPSchema, {
      actualLrpKey: { processGuid, index, domain },
      actualLrpInstanceKey: {},
      actualLrpNetInfo: {},
      state: 'UNCLAIMED' satisfies State,
      since: now(),
      modificationTag: { epoch: randomUUID(), index: 0 },
      routable: false,
    })
    this.#put(lrp)
    this.#hub.emit(actualCreated(lrp))
    return true
  }

  claim(processGuid: string, index: number, instance: ActualLRPInstanceKey): void {
    const before = this.#get(processGuid, index)
    if (!allows(before, instance, 'CLAIMED')) throw CannotBeClaimed()
    if (before.state === 'CLAIMED') return
    const after = this.#change(before, {
      state: 'CLAIMED',
      actualLrpInstanceKey: instance,
      actualLrpNetInfo: create(ActualLRPNetInfoSchema),
      placementError: '',
      since: now(),
    })
    this.#hub.emit(actualChanged(before, after))
  }

  start(key: ActualLRPKey, instance: ActualLRPInstanceKey, request: StartRequest): void {
    const started = {
      actualLrpInstanceKey: instance,
      actualLrpNetInfo: request.actualLrpNetInfo,
      actualLrpInternalRoutes: request.actualLrpInternalRoutes,
      metricTags: request.metricTags,
      availabilityZone: request.availabilityZone,
      routable: request.routable ?? true,
    }
    const since = request.since ?? now()
    const before = this.find(key.processGuid, key.index)
    if (!before) {
      const lrp = create(ActualLRPSchema, {
        ...started,
        actualLrpKey: key,
        state: 'RUNNING',
        since,
        modificationTag: { epoch: randomUUID(), index: 0 },
      })
      this.#put(lrp)
      this.#hub.emit(actualCreated(lrp))
      return
    }
    if (before.state === 'RUNNING' && equals(ActualLRPSchema, before, revised(ActualLRPSchema, before, started))) return
    if (!equals(ActualLRPKeySchema, before.actualLrpKey!, key) || !allows(before, instance, 'RUNNING')) throw CannotBeStarted()
    const after = this.#change(before, { ...started, state: 'RUNNING', placementError: '', since })
    this.#hub.emit(actualChanged(before, after))
  }

  crash(key: ActualLRPKey, instance: ActualLRPInstanceKey, reason: string): CrashOutcome {
    const before = this.#get(key.processGuid, key.index)
    if (!allows(before, instance, 'CRASHED')) throw CannotBeCrashed()
    const ranFor = Number(now() - before.since) / 1e6
    const crashCount = before.state === 'RUNNING' && ranFor > this.#policy.resetAfterMs ? 1 : before.crashCount + 1
    const restartAfterMs = restartDelay(this.#policy, crashCount)
    const state: State = restartAfterMs === 0 ? 'UNCLAIMED' : 'CRASHED'
    const after = this.#change(before, { ...vacant(), state, crashCount, crashReason: truncate(reason), since: now() })
    this.#hub.emit(
      actualCrashed(before, after),
      ...(state === 'CRASHED' ? [actualChanged(before, after)] : [actualCreated(after), actualRemoved(before)]),
    )
    return { crashCount, restartAfterMs }
  }

  /** Makes a crashed one ready to be placed again. */
  unclaim(processGuid: string, index: number): void {
    const before = this.#get(processGuid, index)
    if (before.state === 'UNCLAIMED') throw CannotBeUnclaimed()
    const after = this.#change(before, { ...vacant(), state: 'UNCLAIMED', since: now() })
    this.#hub.emit(actualCreated(after), actualRemoved(before))
  }

  /** Notes why an unclaimed one cannot be placed. */
  fail(key: ActualLRPKey, reason: string): void {
    const before = this.#get(key.processGuid, key.index)
    if (before.state !== 'UNCLAIMED') throw CannotBeFailed()
    const after = this.#change(before, { placementError: truncate(reason), since: now() })
    this.#hub.emit(actualChanged(before, after))
  }

  /** With an instance key only if it is that very instance. */
  remove(processGuid: string, index: number, instance?: ActualLRPInstanceKey): void {
    const before = this.#get(processGuid, index)
    if (instance && !sameInstance(before, instance)) throw ResourceNotFound()
    const process = this.#processes.get(processGuid)!
    process.delete(index)
    if (!process.size) this.#processes.delete(processGuid)
    this.#hub.emit(actualRemoved(before))
  }

  /** Tells that a running one is being retired, as BBS does before its cell has stopped it; the row goes when the cell removes it. */
  announceRetired(lrp: ActualLRP): void {
    this.#hub.emit(actualRemoved(lrp))
  }

  #get(processGuid: string, index: number): ActualLRP {
    const lrp = this.find(processGuid, index)
    if (!lrp) throw ResourceNotFound()
    return lrp
  }

  #put(lrp: ActualLRP): void {
    const { processGuid, index } = lrp.actualLrpKey!
    let process = this.#processes.get(processGuid)
    if (!process) this.#processes.set(processGuid, (process = new Map()))
    process.set(index, new ActualRow(lrp))
  }

  #change(before: ActualLRP, changes: MessageInitShape<typeof ActualLRPSchema> & { state?: State }): ActualLRP {
    const after = revised(ActualLRPSchema, before, { ...changes, modificationTag: next(before.modificationTag!) })
    this.#put(after)
    return after
  }
}

/** Which transitions BBS allows (models/actual_lrp.go, AllowsTransitionTo), for those that have an instance. */
function allows(before: ActualLRP, instance: ActualLRPInstanceKey, to: State): boolean {
  const same = sameInstance(before, instance)
  switch (before.state as State) {
    case 'UNCLAIMED':
      return to !== 'CRASHED'
    case 'CLAIMED':
      return to === 'RUNNING' || same
    case 'RUNNING':
      return same
    case 'CRASHED':
      return to !== 'CRASHED' && same
  }
}

const sameInstance = ({ actualLrpInstanceKey: key }: ActualLRP, instance: ActualLRPInstanceKey): boolean =>
  key?.instanceGuid === instance.instanceGuid && key.cellId === instance.cellId

const vacant = () => ({ actualLrpInstanceKey: create(ActualLRPInstanceKeySchema), actualLrpNetInfo: create(ActualLRPNetInfoSchema) })

const truncate = (reason: string): string =>
  reason.length < maxReason ? reason : `${reason.slice(0, maxReason - '(truncated)'.length)}(truncated)`

/** The increment of a modification tag: same epoch, next index. */
export const next = ({ epoch, index }: ModificationTag): ModificationTag => create(ModificationTagSchema, { epoch, index: index + 1 })

/** Nanoseconds since 1970. */
export const now = (): bigint => BigInt(Date.now()) * 1_000_000n
