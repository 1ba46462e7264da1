// The comparison of matchers, with many more rules.
process.env['MESH_RUNS'] ??= '1500'
await import('./rules-matching.test.ts')
