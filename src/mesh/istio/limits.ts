import type { Limit } from './types.ts'

/** The header whose values a limit counts apart, as `header:NAME` names it. */
export const headerOf = ({ per }: Pick<Limit, 'per'>): string | undefined => /^header:(.+)$/.exec(per)?.[1]
