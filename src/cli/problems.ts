import { problem } from '../common/problem.ts'

export const Usage = problem('MESHCTL_USAGE', 400, (sentence: string) => sentence)
export const NoApi = problem(
  'MESHCTL_NO_API',
  503,
  () => 'no copilot to ask: nothing runs by `npm start` here (no .mesh/ready.json). Start it, or name a copilot with --api URL or MESH_API',
)
export const Unreachable = problem('MESHCTL_UNREACHABLE', 503, (url: string, why: string) => `copilot does not answer at ${url} (${why}). Is it running? Name another with --api URL or MESH_API`)
export const NotCopilot = problem('MESHCTL_NOT_COPILOT', 502, (url: string, status: number) => `what answers at ${url} is not a copilot (HTTP ${status}); check --api`)
export const FileUnreadable = problem('MESHCTL_FILE_UNREADABLE', 422, (what: string, file: string, why: string) => `${what}: cannot read ${file}: ${why}`)
