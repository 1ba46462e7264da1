import type { Test } from 'tap'

/**
 * The seed of a property test, the same each time, so that a test fails for what has changed. `MESH_SEED` is another one, `random` any, and
 * `MESH_RUNS` makes a run longer.
 */
export function seeded(t: Test, runs: number): { seed: number; numRuns: number } {
  const asked = process.env['MESH_SEED'] ?? '1'
  const seed = asked === 'random' ? Math.floor(Math.random() * 0x7fffffff) : Number(asked)
  const numRuns = Number(process.env['MESH_RUNS'] ?? runs)
  t.comment(`MESH_SEED=${seed} MESH_RUNS=${numRuns}`)
  return { seed, numRuns }
}
