import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** A run shorter than this says nothing about a slope; milliseconds. */
const shortest = 50_000
/** The most that the last half of a run may grow: a hundredth a minute. */
const steepest = 0.01

/** Bytes that this process holds, once what nothing refers to is gone. */
export function ownHeap(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Resident bytes of a process. */
export function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

/** Memory over the time of a run, one sample a second at most. */
export class Memory {
  readonly #name: string
  readonly #bytes: () => number
  readonly #samples: { at: number; bytes: number }[] = []

  constructor(name: string, bytes: () => number) {
    this.#name = name
    this.#bytes = bytes
  }

  sample(): void {
    const at = performance.now()
    if (at - (this.#samples.at(-1)?.at ?? -Infinity) >= 1000) this.#samples.push({ at, bytes: this.#bytes() })
  }

  fault(): string | undefined {
    const slope = this.#slope()
    return slope !== undefined && slope > steepest ? `${this.summary()}: more than ${steepest * 100} % a minute` : undefined
  }

  summary(): string {
    const slope = this.#slope()
    const megabytes = Math.round((this.#samples.at(-1)?.bytes ?? 0) / 1e6)
    return `${this.#name} ${megabytes} MB${slope === undefined ? '' : `, ${(slope * 100).toFixed(2)} % a minute`}`
  }

  /** Growth a minute over the last half, as a part of its mean, by least squares; undefined where the run was too short to tell. */
  #slope(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (!first || !last || last.at - first.at < shortest) return undefined
    const half = this.#samples.filter(({ at }) => at >= (first.at + last.at) / 2)
    const mean = (of: (sample: { at: number; bytes: number }) => number): number =>
      half.reduce((sum, sample) => sum + of(sample), 0) / half.length
    const [time, bytes] = [mean(({ at }) => at), mean((sample) => sample.bytes)]
    const covariance = mean((sample) => (sample.at - time) * (sample.bytes - bytes))
    const variance = mean(({ at }) => (at - time) ** 2)
    return (covariance / variance / bytes) * 60_000
  }
}
