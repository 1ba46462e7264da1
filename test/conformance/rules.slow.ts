// What rules say, on both engines, in one mesh.
import './rules-match.ts'
import './rules-answers.ts'
import './rules-failures.ts'
import './rules-splits.ts'
import './rules-balancing.ts'
import './rules-circuits.ts'
import './rules-limits.ts'
import './rules-load.ts'
