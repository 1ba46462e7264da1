import { bbsPhases } from './bbs.ts'
import { certificatePhases } from './certificates.ts'
import { cloudControllerPhases } from './cloud-controller.ts'
import type { Phase } from './phase.ts'
import { poisonPhases } from './poison.ts'
import { programPhases } from './programs.ts'
import { rollingPhases } from './rolling.ts'

export { realPhases } from './real.ts'

/** The faults on a platform that can be made to lie, in order. */
export const distortedPhases: Phase[] = [
  ...programPhases,
  ...bbsPhases,
  ...cloudControllerPhases,
  ...poisonPhases,
  ...certificatePhases,
  ...rollingPhases,
]
