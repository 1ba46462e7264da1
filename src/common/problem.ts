/** An error that a user or a neighbour is told: a stable code, an HTTP status, and a sentence that says what to do. */
export class Problem extends Error {
  readonly code: string
  readonly status: number
  /** Where the fault is, as a path into the input (`spec.http[0].timeout`), if it is in one field. */
  readonly path: string | undefined

  constructor(code: string, status: number, message: string, path?: string) {
    super(message)
    this.name = 'Problem'
    this.code = code
    this.status = status
    this.path = path
  }

  /** The body every API of ours answers with. */
  toJSON(): ProblemBody {
    return { code: this.code, message: this.message, ...(this.path === undefined ? {} : { path: this.path }) }
  }
}

export interface ProblemBody {
  code: string
  message: string
  path?: string
}

/**
 * Declares one kind of problem, so that code and wording live in one place.
 *
 *     export const RouteUnknown = problem('MESH_ROUTE_UNKNOWN', 404, (host: string) => `no route answers ${host}`)
 *     throw RouteUnknown('a.mesh')
 */
export function problem<Args extends unknown[]>(
  code: string,
  status: number,
  message: (...args: Args) => string,
  path?: (...args: Args) => string,
): ((...args: Args) => Problem) & { code: string } {
  const create = (...args: Args): Problem => new Problem(code, status, message(...args), path?.(...args))
  return Object.assign(create, { code })
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
