import * as fc from 'fast-check'
import { Memory, ownHeap } from './memory.ts'

/** One thing that is fuzzed; it is on the list in main.ts. */
export interface Part {
  name: string
  what: string
  run(run: Run): Promise<void>
}

export interface Budget {
  /** Least number of cases. */
  cases: number
  /** Least time, seconds; 0 where the memory is not judged. */
  seconds: number
  seed: number
}

/** Cases of a property between two looks at the clock and at the memory. */
const roundSize = 500
/** A case that takes longer hangs; milliseconds. */
const caseLimit = 20_000
const faultsKept = 20

/** One run of a part: its cases, its faults, and the memory of what it feeds. */
export class Run {
  readonly #budget: Budget
  readonly #began = performance.now()
  readonly #faults: string[] = []
  readonly #memories: Memory[] = []
  #cases = 0

  constructor(budget: Budget) {
    this.#budget = budget
  }

  get seed(): number {
    return this.#budget.seed
  }

  /** Least time of the run, seconds. */
  get seconds(): number {
    return this.#budget.seconds
  }

  /** Neither the cases nor the time are over, and nothing is broken. */
  get goesOn(): boolean {
    return !this.#faults.length && (this.#cases < this.#budget.cases || performance.now() - this.#began < this.#budget.seconds * 1000)
  }

  /** Nothing is broken. */
  get sound(): boolean {
    return !this.#faults.length
  }

  /** From now on watches the memory of what is fed: bytes, measured now and then; this process's own heap where nothing is given. */
  watch(name = 'heap', bytes: () => number = ownHeap): void {
    this.#memories.push(new Memory(name, bytes))
  }

  fault(what: string): void {
    if (this.#faults.length < faultsKept) this.#faults.push(what)
  }

  expect(holds: boolean, what: string): void {
    if (!holds) this.fault(what)
  }

  /** Counts cases that are no property's, and measures the memory. */
  count(cases: number): void {
    this.#cases += cases
    this.#memories.at(-1)?.sample()
  }

  /** Checks a property with new cases until the budget is used up; the seed that breaks it is a fault. */
  async property<Value>(arbitrary: fc.Arbitrary<Value>, check: (value: Value) => Promise<void>): Promise<void> {
    for (let round = 0; this.goesOn; round++) {
      const result = await fc.check(fc.asyncProperty(arbitrary, check), {
        numRuns: roundSize,
        seed: this.seed + round,
        timeout: caseLimit,
        interruptAfterTimeLimit: 600_000,
      })
      this.count(result.numRuns)
      if (result.failed)
        this.fault(
          `seed ${this.seed + round}: ${fc.defaultReportMessage(result)?.slice(0, 3000)}\n${result.errorInstance instanceof Error ? result.errorInstance.stack : String(result.errorInstance)}`,
        )
    }
  }

  /** What was wrong. */
  end(): string[] {
    for (const memory of this.seconds ? this.#memories : []) {
      const fault = memory.fault()
      if (fault) this.fault(fault)
    }
    return this.#faults
  }

  summary(): string {
    const seconds = Math.round((performance.now() - this.#began) / 1000)
    return [`${this.#cases} cases in ${seconds} s`, ...this.#memories.map((memory) => memory.summary())].join('; ')
  }
}
