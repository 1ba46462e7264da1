/** Rung by what happens and heard by one waiter; a ring between two waits is not lost. */
export class Bell {
  #rung = false
  #wake = (): void => {}

  readonly ring = (): void => {
    this.#rung = true
    this.#wake()
  }

  /** True once it was rung since it was last heard; false after `limit` milliseconds. */
  async heard(limit: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(resolve, limit)
    if (!this.#rung) await promise
    clearTimeout(timer)
    const rung = this.#rung
    this.#rung = false
    return rung
  }
}
