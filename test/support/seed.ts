import type { Test } from 'tap'

/** The seed of a property test, which it prints: `MESH_SEED` takes that of a failed run again, `MESH_RUNS` makes it longer. */
export function seeded(t: Test, runs: number): { seed: number; numRuns: number } {
  const seed = Number(process.env['MESH_SEED'] ?? Math.floor(Math.random() * 0x7fffffff))
  const numRuns = Number(process.env['MESH_RUNS'] ?? runs)
  t.comment(`MESH_SEED=${seed} MESH_RUNS=${numRuns}`)
  return { seed, numRuns }
}
