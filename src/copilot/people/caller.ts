import { systemNamespace } from '../../mesh/istio/kinds.ts'
import { NotInSpace, OperatorOnly } from '../problems.ts'

/** The spaces in which somebody has a role that counts here, by guid. */
export interface SpaceRoles {
  /** Those that he may read. */
  read: ReadonlySet<string>
  /** Organizations of which he may read every space. */
  organizations: ReadonlySet<string>
  /** Those in which he may write. */
  write: ReadonlySet<string>
}

/** Of which organization a space is; undefined for one that is not known. */
type OrganizationOf = (space: string) => Promise<string | undefined>

export interface CallerOptions {
  /** As audit lines name him. */
  name: string
  /** May do everything. */
  operator: boolean
  /** May read everything. */
  readsAll: boolean
  /** Reads his roles; `writing` where a change depends on it, for which old roles do not do. */
  roles: (writing: boolean) => Promise<SpaceRoles>
  organizationOf: OrganizationOf
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

  /** Whether he may see what is in a namespace. Of an organization that he manages he may read every space. */
  async mayRead(namespace: string): Promise<boolean> {
    if (this.readsAll) return true
    if (namespace === systemNamespace) return false
    const { read, organizations } = await this.#options.roles(false)
    if (read.has(namespace)) return true
    if (!organizations.size) return false
    const organization = await this.#options.organizationOf(namespace)
    return organization !== undefined && organizations.has(organization)
  }

  /** Throws `MESH_NOT_IN_SPACE`. */
  async requireRead(namespace: string): Promise<void> {
    if (!(await this.mayRead(namespace))) throw NotInSpace('read', namespace, 'a role in it')
  }

  /** Throws `MESH_NOT_IN_SPACE`, and `MESH_ROLES_UNKNOWN` where Cloud Controller cannot tell. */
  async requireWrite(namespace: string): Promise<void> {
    if (this.operator) return
    if (namespace !== systemNamespace && (await this.#options.roles(true)).write.has(namespace)) return
    throw NotInSpace('change', namespace, 'the role space_developer there')
  }

  /** Throws `MESH_OPERATOR_ONLY`. */
  requireOperator(): void {
    if (!this.operator) throw OperatorOnly()
  }
}

const nothing: SpaceRoles = { read: new Set(), organizations: new Set(), write: new Set() }
export const noRoles = async (): Promise<SpaceRoles> => nothing

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set where the handler itself decides by the caller's roles; elsewhere reading is for those who may read everything, all else the operator's. */
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
