import { systemNamespace } from '../../mesh/istio/kinds.ts'
import { NotInSpace, OperatorOnly, OrganizationSuspended } from '../problems.ts'

/** The spaces in which somebody has a role that counts here, by guid. */
export interface SpaceRoles {
  /** Those that he may read. */
  read: ReadonlySet<string>
  /** Organizations of which he may read every space. */
  organizations: ReadonlySet<string>
  /** Those in which he may write. */
  write: ReadonlySet<string>
}

export interface CallerOptions {
  /** As audit lines name him. */
  name: string
  /** May do everything. */
  operator: boolean
  /** May read everything. */
  readsAll: boolean
  /** Reads his roles; `writing` where a change depends on it, for which old roles do not do. */
  roles: (writing: boolean) => Promise<SpaceRoles>
  /** The spaces of organizations. */
  spacesOf: (organizations: string[]) => Promise<string[]>
  /** The name of a space's organization, where it is suspended. */
  suspended: (space: string) => Promise<string | undefined>
}

/** Who makes a request, and what he may do. */
export class Caller {
  readonly #options: CallerOptions

  constructor(options: CallerOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  get operator(): boolean {
    return this.#options.operator
  }

  get readsAll(): boolean {
    return this.#options.readsAll || this.#options.operator
  }

  /** The spaces that he may read, by guid; undefined for everything. */
  async readable(): Promise<Set<string> | undefined> {
    if (this.readsAll) return undefined
    const { read, organizations } = await this.#options.roles(false)
    return organizations.size ? new Set([...read, ...(await this.#options.spacesOf([...organizations]))]) : new Set(read)
  }

  async mayRead(namespace: string): Promise<boolean> {
    return (await this.readable())?.has(namespace) ?? true
  }

  /** `written` is what he called the space. Throws `MESH_NOT_IN_SPACE`. */
  async requireRead(namespace: string, written = namespace): Promise<void> {
    if (!(await this.mayRead(namespace))) throw NotInSpace('read', written, 'a role in that space')
  }

  /**
   * `written` is what he called the space. Throws `MESH_NOT_IN_SPACE`, `MESH_ORGANIZATION_SUSPENDED` as Cloud Controller does for its own
   * (CF-OrgSuspended), and `MESH_ROLES_UNKNOWN` where that cannot tell.
   */
  async requireWrite(namespace: string, written = namespace): Promise<void> {
    if (this.operator) return
    if (namespace === systemNamespace) throw NotInSpace('change', namespace, 'the scope mesh.admin or cloud_controller.admin')
    if (!(await this.#options.roles(true)).write.has(namespace)) throw NotInSpace('change', written, 'the role space_developer there')
    const organization = await this.#options.suspended(namespace)
    if (organization !== undefined) throw OrganizationSuspended(organization)
  }

  /** Throws `MESH_OPERATOR_ONLY`. */
  requireOperator(): void {
    if (!this.operator) throw OperatorOnly()
  }
}

/** Whoever uses an API without authentication. */
export const everybody = new Caller({
  name: 'operator',
  operator: true,
  readsAll: true,
  roles: unasked,
  spacesOf: unasked,
  suspended: unasked,
})

async function unasked(): Promise<never> {
  throw new Error('who may do everything is asked for no roles')
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Set where the handler itself decides by the caller's roles; elsewhere reading is for those who may read everything, all else the
     * operator's.
     */
    decides?: true
  }
}

const callers = new WeakMap<object, Caller>()

/** Notes who makes a request. */
export function identify(request: object, caller: Caller): void {
  callers.set(request, caller)
}

/** Who makes a request that the guard has let in. */
export const callerOf = (request: object): Caller => callers.get(request)!

/** Whether the guard has let a request in. */
export const isIdentified = (request: object): boolean => callers.has(request)
