// A walk-through is steps that check themselves, one after the other. Its last line is "N passed, N failed".

/** One walk-through: runs steps, says what came of each, and counts. */
export class Walkthrough {
  #passed = 0
  #failed = 0

  constructor(title) {
    console.log(title)
  }

  /** Runs a step; it has failed where `work` rejects. What `work` resolves with is told beside it. */
  async step(title, work) {
    const began = performance.now()
    try {
      const said = await work()
      this.#passed++
      console.log(`  ✓ ${title}${said ? `: ${said}` : ''} (${((performance.now() - began) / 1000).toFixed(1)} s)`)
    } catch (error) {
      this.#failed++
      console.log(`  ✗ ${title}: ${error.message}`)
    }
  }

  skip(title, reason) {
    console.log(`  – ${title}: skipped, ${reason}`)
  }

  /** Says how many passed, and sets the exit code. */
  end() {
    console.log(`${this.#passed} passed, ${this.#failed} failed`)
    process.exitCode = this.#failed ? 1 : 0
  }
}

/** Throws an Error with `message` unless `condition` holds. */
export function expect(condition, message) {
  if (!condition) throw new Error(message)
}

/** What chance alone gets wrong in one of a million checks: 4.9 standard deviations. */
const deviations = 4.9

/** Expects that `hits` of `n` fits a true share of `p`, which a right split misses once in a million times, and answers it as text. */
export function expectShare(what, hits, n, p) {
  const reach = deviations * Math.sqrt(n * p * (1 - p)) + 1
  const [least, most] = [Math.ceil(n * p - reach), Math.floor(n * p + reach)]
  const text = `${what} ${hits} of ${n}`
  expect(hits >= least && hits <= most, `${text}, which is not within ${least}–${most}`)
  return text
}

/** How often each value of `key` occurs. */
export function tally(items, key) {
  const counts = {}
  for (const item of items) counts[key(item)] = (counts[key(item)] ?? 0) + 1
  return counts
}

/** Results of `n` calls of `work`, `lanes` at a time. */
export async function many(n, lanes, work) {
  const results = []
  let begun = 0
  const lane = async () => {
    while (begun++ < n) results.push(await work())
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return results
}

/** Runs `work` until it resolves with something true, for `limit` milliseconds at most; what it says last is the reason. */
export async function eventually(what, work, limit = 30_000) {
  let last
  for (const end = Date.now() + limit; Date.now() < end; await new Promise((go) => setTimeout(go, 100))) {
    try {
      last = await work()
      if (last) return last
    } catch (error) {
      last = error.message
    }
  }
  throw new Error(`${what}: not after ${limit / 1000} s (${last})`)
}
