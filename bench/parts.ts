import type { Part } from './part.ts'
import { propagation } from './propagation.ts'

/** In the order in which they run. */
export const parts: Part[] = [propagation]
