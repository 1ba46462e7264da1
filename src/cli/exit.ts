import { Problem } from '../common/problem.ts'
import { Usage } from './problems.ts'

/** What meshctl ends with. */
export const exitCodes = { ok: 0, refused: 1, usage: 2, unreachable: 3 } as const

/** The exit code that tells of an error: our own problems of status 5xx mean that nobody answered, copilot's that it refused. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof Problem)) return exitCodes.refused
  if (error.code === Usage.code) return exitCodes.usage
  return error.code.startsWith('MESHCTL_') && error.status >= 500 ? exitCodes.unreachable : exitCodes.refused
}
