import { coldStart } from './cold-start.ts'
import { dataPlane } from './data-plane.ts'
import type { Part } from './part.ts'
import { propagation } from './propagation.ts'
import { reconnect } from './reconnect.ts'
import { rules } from './rules.ts'

/** In the order in which they run. */
export const parts: Part[] = [propagation, rules, coldStart, reconnect, dataPlane]
