/** Envoy's response flags that this engine sets; they name in the access log what went wrong. */
export type Flag =
  'NR' | 'NC' | 'UH' | 'UF' | 'UC' | 'UR' | 'UPE' | 'UT' | 'UO' | 'URX' | 'SI' | 'DC' | 'DPE' | 'LR' | 'DI' | 'FI' | 'RL' | 'UMSDR'

/** Why a try at an endpoint failed. */
export interface Failure {
  flag: 'UF' | 'UC' | 'UR' | 'UPE'
  /** True if not one byte of the request reached the endpoint, or it has said that it ignored the request. */
  unsent: boolean
  detail: string
}
