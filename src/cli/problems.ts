import { Problem, problem, type ProblemBody } from '../common/problem.ts'

/**
 * What copilot refuses: the first fault as the problem itself, every one in `problems`, with the position of its document where several
 * were sent.
 */
export class Refused extends Problem {
  readonly problems: (ProblemBody & { document?: number })[]

  constructor(
    { code, message, path, problems = [] }: ProblemBody & { problems?: (ProblemBody & { document?: number })[] },
    status: number,
  ) {
    super(code, status, message, path)
    this.problems = problems
  }
}

export const Usage = problem('MESHCTL_USAGE', 400, (sentence: string) => sentence)
export const NoApi = problem(
  'MESHCTL_NO_API',
  503,
  () => 'no copilot to ask: nothing runs by `npm start` here (no .mesh/ready.json). Start it, or name a copilot with --api URL or MESH_API',
)
export const Unreachable = problem(
  'MESHCTL_UNREACHABLE',
  503,
  (url: string, why: string) => `copilot does not answer at ${url} (${why}). Is it running? Name another with --api URL or MESH_API`,
)
export const UaaUnreachable = problem(
  'MESHCTL_UAA_UNREACHABLE',
  503,
  (url: string, why: string) => `UAA, where one logs in, does not answer at ${url} (${why}); try again`,
)
export const Untrusted = problem(
  'MESHCTL_UNTRUSTED',
  502,
  (whom: string, url: string, why: string) => `the certificate of ${whom} at ${url} ${why}`,
)
export const LoginRefused = problem(
  'MESHCTL_LOGIN_REFUSED',
  401,
  (uaa: string, why: string, remedy: string) => `${uaa} gives no token: ${why.replace(/\.$/, '')}. ${remedy}`,
)
export const Cancelled = problem('MESHCTL_CANCELLED', 422, () => 'given up; nobody was logged in')
export const NoLogin = problem(
  'MESHCTL_NO_LOGIN',
  422,
  (url: string) => `${url} asks nobody to log in; everybody on its machine may use it`,
)
export const NotLoggedIn = problem(
  'MESHCTL_NOT_LOGGED_IN',
  401,
  (url: string) =>
    `${url} wants to know who you are: log in with \`meshctl login --api ${url}\`, or with the cf CLI to its Cloud Foundry, or give a token as MESH_TOKEN`,
)
export const NoSpace = problem(
  'MESHCTL_NO_SPACE',
  422,
  () => 'no space is named: write -n SPACE, set MESH_NAMESPACE, or target one with `cf target -s SPACE`',
)
export const NoDocuments = problem(
  'MESHCTL_NO_DOCUMENTS',
  422,
  (files: string[]) => `-f: there is no resource in ${files.map((file) => (file === '-' ? 'standard input' : file)).join(', ')}`,
)
export const NotCopilot = problem(
  'MESHCTL_NOT_COPILOT',
  502,
  (url: string, status: number) => `what answers at ${url} is not a copilot (HTTP ${status}); check --api`,
)
export const NoDiff = problem(
  'MESHCTL_NO_DIFF',
  422,
  (why: string) => `the program diff cannot be run (${why}); install it (diffutils), or use --json`,
)
export const FileUnreadable = problem(
  'MESHCTL_FILE_UNREADABLE',
  422,
  (what: string, file: string, why: string) => `${what}: cannot read ${file}: ${why}`,
)
export const FileUnwritable = problem(
  'MESHCTL_FILE_UNWRITABLE',
  422,
  (file: string, why: string) => `the login cannot be kept in ${file}: ${why}; set MESHCTL_HOME to a folder of your own`,
)
export const NotReached = problem(
  'MESHCTL_NOT_REACHED',
  409,
  (target: string, wanted: string, timeout: string, why: string | undefined) =>
    `${target} is not ${wanted} after ${timeout}${why ? `: ${why}` : ''}`,
)
