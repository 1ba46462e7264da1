/**
 * Puts observations in order: each tick is later than the one before. Knowledge is dated by the tick at which the reading
 * that brought it began, so that what changed meanwhile never counts as known.
 */
export class Clock {
  #now = 0

  tick(): number {
    return ++this.#now
  }
}
