import type { ModificationTag } from '../../common/proto/gen/bbs_pb.js'

/** BBS's version of one thing: within an epoch a higher index is newer. */
export type Tag = Pick<ModificationTag, 'epoch' | 'index'>

interface Entry<Value> {
  tag: Tag
  /** Tick at which it was taken in. */
  at: number
  /** Undefined where it was removed: kept so that late news of it is known for what it is. */
  value: Value | undefined
}

/**
 * Things of BBS by their key, where older news never overwrites newer: events may come twice, late or in the wrong order,
 * and a bulk list may be older than an event that came while it was read.
 */
export class Tagged<Value> {
  readonly #entries = new Map<string, Entry<Value>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)?.value
  }

  /** Whether an event with this tag, heard now, is news. */
  isNews(key: string, tag: Tag): boolean {
    const known = this.#entries.get(key)
    return !known || !tag.epoch || known.tag.epoch !== tag.epoch || known.tag.index < tag.index
  }

  /** Whether what a bulk list begun at tick `begun` says of this key is news. */
  isBulkNews(key: string, tag: Tag, begun: number): boolean {
    const known = this.#entries.get(key)
    if (!known) return true
    if (known.value === undefined) return known.at < begun
    return known.tag.epoch === tag.epoch ? known.tag.index < tag.index : known.at < begun
  }

  set(key: string, tag: Tag, at: number, value: Value): void {
    if (this.get(key) === undefined) this.#size++
    this.#entries.set(key, { tag: { epoch: tag.epoch, index: tag.index }, at, value })
  }

  /** Takes note of a removal, also of what was not known. False for an older one than what is known. */
  remove(key: string, tag: Tag, at: number): boolean {
    const known = this.#entries.get(key)
    if (known && known.tag.epoch === tag.epoch && known.tag.index > tag.index) return false
    if (known?.value !== undefined) this.#size--
    this.#entries.set(key, { tag: { epoch: tag.epoch, index: tag.index }, at, value: undefined })
    return true
  }

  /** Removes what a bulk list lacked. */
  drop(key: string): void {
    if (this.get(key) !== undefined) this.#size--
    this.#entries.delete(key)
  }

  /** The keys that a bulk list begun at tick `begun` should have had: those not heard of since. */
  *missing(seen: Set<string>, begun: number): Generator<string> {
    for (const [key, { at, value }] of this.#entries) if (value !== undefined && at < begun && !seen.has(key)) yield key
  }

  /** Whether it is there and was not heard of since tick `begun`. */
  takenBefore(key: string, begun: number): boolean {
    const known = this.#entries.get(key)
    return known?.value !== undefined && known.at < begun
  }

  /** Forgets removals from before `begun`: a bulk list begun then cannot contradict them any more. */
  forgetRemovals(begun: number): void {
    for (const [key, { at, value }] of this.#entries) if (value === undefined && at < begun) this.#entries.delete(key)
  }
}
