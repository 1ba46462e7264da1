import type { BbsEvent } from '../../platform/bbs/events.ts'
import type { ActualLRP, DesiredLRP } from '../../common/proto/gen/bbs_pb.js'
import type { Instance } from '../../mesh/records.ts'
import { Multimap } from '../../common/multimap.ts'
import { actualKey, readActual, type Actual, type PreferredAddress } from './actual.ts'
import { readDesired, type Lrp } from './desired.ts'
import { Tagged, type Tag } from './tagged.ts'

/** A process of Diego as we know it. */
export interface KnownProcess extends Lrp {
  /** Tick at which this version of it was first seen; 0 where its routes could not be read. */
  at: number
  /** Tick at which its desired LRP was found removed. */
  goneAt?: number
}

export interface DiegoListener {
  /** A process is new, other, gone (`goneAt`) or forgotten (undefined). */
  process(before: KnownProcess | undefined, after: KnownProcess | undefined): void
  instance(guid: string): void
}

const noTag: Tag = { epoch: '', index: 0 }

/** What BBS has told, by events and bulk lists, each of which may be late. */
export class DiegoState {
  readonly #lrps = new Tagged<KnownProcess>()
  readonly #gone = new Map<string, KnownProcess>()
  readonly #actuals = new Tagged<Actual>()
  readonly #instances = new Multimap()
  readonly #preferred: PreferredAddress
  readonly #listener: DiegoListener

  constructor(preferred: PreferredAddress, listener: DiegoListener) {
    this.#preferred = preferred
    this.#listener = listener
  }

  /** A process that is wanted. */
  process(guid: string): KnownProcess | undefined {
    return this.#lrps.get(guid)
  }

  /** A process that is wanted, or whose last word still counts. */
  word(guid: string): KnownProcess | undefined {
    return this.#lrps.get(guid) ?? this.#gone.get(guid)
  }

  instance(guid: string): Instance | undefined {
    return this.#actuals.get(guid)?.instance ?? this.#actuals.get(actualKey({ guid, evacuating: true }))?.instance
  }

  /** Guids of the running instances of a process, wanted or not. */
  instancesOf(process: string): Iterable<string> {
    return this.#instances.get(process)
  }

  get counts(): { processes: number; instances: number } {
    return { processes: this.#lrps.size, instances: this.#actuals.size }
  }

  /** Takes in an event heard at tick `at`. */
  apply(event: BbsEvent, at: number): void {
    const tag = event.lrp.modificationTag ?? noTag
    switch (event.kind) {
      case 'desired':
        if (this.#lrps.isNews(event.lrp.processGuid, tag)) this.#want(event.lrp, tag, at)
        return
      case 'desired-removed':
        this.#unwant(event.lrp.processGuid, at, () => this.#lrps.remove(event.lrp.processGuid, tag, at))
        return
      case 'actual': {
        const before = event.before && readActual(event.before, this.#preferred)
        const after = readActual(event.lrp, this.#preferred)
        if (before && before.evacuating !== after?.evacuating)
          this.#change(before.guid, () => this.#actuals.remove(actualKey(before), event.before?.modificationTag ?? noTag, at))
        if (after && this.#actuals.isNews(actualKey(after), tag))
          this.#change(after.guid, () => this.#actuals.set(actualKey(after), tag, at, after))
        return
      }
      case 'actual-removed': {
        const gone = readActual(event.lrp, this.#preferred)
        if (gone) this.#change(gone.guid, () => this.#actuals.remove(actualKey(gone), tag, at))
      }
    }
  }

  /** Takes in a desired LRP of a bulk list begun at tick `begun`. */
  applyDesired(lrp: DesiredLRP, begun: number): void {
    const tag = lrp.modificationTag ?? noTag
    if (this.#lrps.isBulkNews(lrp.processGuid, tag, begun)) this.#want(lrp, tag, begun)
  }

  /** Takes in an actual LRP of a bulk list begun at tick `begun`; gives its key if it has a container. */
  applyActual(lrp: ActualLRP, begun: number): string | undefined {
    const actual = readActual(lrp, this.#preferred)
    if (!actual) return undefined
    const key = actualKey(actual)
    const tag = lrp.modificationTag ?? noTag
    if (this.#actuals.isBulkNews(key, tag, begun)) this.#change(actual.guid, () => this.#actuals.set(key, tag, begun, actual))
    return key
  }

  /** Processes and instances that bulk lists begun at tick `begun` should have had, of the domains that are fresh. */
  missing(
    seen: { processes: Set<string>; actuals: Set<string> },
    begun: number,
    fresh: Set<string>,
  ): { processes: string[]; actuals: string[] } {
    return {
      processes: [...this.#lrps.missing(seen.processes, begun)].filter((key) => fresh.has(this.#lrps.get(key)!.domain)),
      actuals: [...this.#actuals.missing(seen.actuals, begun)].filter((key) => fresh.has(this.#actuals.get(key)!.domain)),
    }
  }

  /** The instance of a row, where it has one. */
  instanceOfRow(key: string): { guid: string; instance: Instance } | undefined {
    const actual = this.#actuals.get(key)
    return actual?.instance && { guid: actual.guid, instance: actual.instance }
  }

  dropProcess(guid: string, at: number): void {
    this.#unwant(guid, at, () => {
      this.#lrps.drop(guid)
      return true
    })
  }

  dropActual(key: string): void {
    const actual = this.#actuals.get(key)
    if (actual) this.#change(actual.guid, () => this.#actuals.drop(key))
  }

  /** Whether what was missing at tick `begun` still is. */
  stillMissing(kind: 'process' | 'actual', key: string, begun: number): boolean {
    return (kind === 'process' ? this.#lrps : this.#actuals).takenBefore(key, begun)
  }

  forgetRemovals(begun: number): void {
    this.#lrps.forgetRemovals(begun)
    this.#actuals.forgetRemovals(begun)
  }

  /** Lets the last words of processes that went before tick `at` count no longer: Cloud Controller has been read since. */
  forgetGone(at: number): void {
    for (const [guid, process] of this.#gone) {
      if (process.goneAt! >= at) continue
      this.#gone.delete(guid)
      this.#listener.process(process, undefined)
    }
  }

  #want(lrp: DesiredLRP, tag: Tag, at: number): void {
    const read = readDesired(lrp)
    if (!read) return
    const before = this.word(read.process)
    const after = read.unreadable ? { ...read, listings: before?.listings ?? [], at: before?.at ?? 0 } : { ...read, at }
    this.#gone.delete(read.process)
    this.#lrps.set(read.process, tag, at, after)
    this.#listener.process(before, after)
    for (const guid of before?.instances === after.instances && !before.goneAt ? [] : this.instancesOf(read.process))
      this.#listener.instance(guid)
  }

  #unwant(guid: string, at: number, remove: () => boolean): void {
    const before = this.#lrps.get(guid)
    if (!remove() || !before) return
    const after = { ...before, goneAt: at }
    this.#gone.set(guid, after)
    this.#listener.process(before, after)
    for (const instance of this.instancesOf(guid)) this.#listener.instance(instance)
  }

  #change(guid: string, change: () => unknown): void {
    const before = this.instance(guid)
    change()
    const after = this.instance(guid)
    if (before === after) return
    if (before && before.process !== after?.process) this.#instances.delete(before.process, guid)
    if (after) this.#instances.add(after.process, guid)
    this.#listener.instance(guid)
  }
}
