import { Type } from 'typebox'
import { messageOf } from '../../common/problem.ts'
import { HttpClient } from '../../platform/http.ts'
import { parseJson } from '../../platform/json.ts'
import type { CloudControllerConfig } from '../config.ts'
import { RolesUnknown, TokenInvalid } from '../problems.ts'
import type { SpaceRoles } from './caller.ts'

const ToOne = Type.Object({ data: Type.Union([Type.Object({ guid: Type.String() }), Type.Null()]) })
const Page = Type.Object({
  pagination: Type.Object({ next: Type.Union([Type.Object({ href: Type.String() }), Type.Null()]) }),
  resources: Type.Array(
    Type.Object({ type: Type.String(), relationships: Type.Object({ space: Type.Optional(ToOne), organization: Type.Optional(ToOne) }) }),
  ),
})

/** The roles of a space that let one read there what is applied; developers also write. Supporters run apps, and change no rules. */
const readers = ['space_developer', 'space_manager', 'space_auditor', 'space_supporter']
const writer = 'space_developer'
const manager = 'organization_manager'

/** What is remembered of somebody once his roles are no longer asked for: enough to read by while Cloud Controller is away for a day. */
const forgottenAfter = 24 * 3_600_000
const mostRemembered = 10_000

interface Known {
  roles: SpaceRoles
  /** When they were read, milliseconds since 1970. */
  at: number
}

/**
 * What people may do in spaces, read from Cloud Controller with their own tokens and remembered for a short time. While it is away, what it
 * said last counts: for reading for a day, for changes as long as `patienceSeconds` allow.
 */
export class Roles {
  readonly #client: HttpClient
  readonly #fresh: number
  readonly #patience: number
  readonly #known = new Map<string, Known>()
  readonly #asking = new Map<string, Promise<SpaceRoles>>()

  constructor({ url, ca, rolesSeconds, patienceSeconds }: CloudControllerConfig) {
    this.#client = new HttpClient({ url, ca, timeout: 5000 })
    this.#fresh = rolesSeconds * 1000
    this.#patience = patienceSeconds * 1000
  }

  /**
   * Throws `MESH_TOKEN_INVALID` where Cloud Controller refuses the token, `MESH_ROLES_UNKNOWN` where it does not answer and nothing recent
   * enough is known.
   */
  async of(user: string, token: string, writing: boolean): Promise<SpaceRoles> {
    const known = this.#known.get(user)
    const age = known ? Date.now() - known.at : Infinity
    if (known && age < this.#fresh) return known.roles
    try {
      return await this.#ask(user, token)
    } catch (error) {
      if ((error as { code?: string }).code === TokenInvalid.code) throw error
      if (known && age < (writing ? this.#patience : forgottenAfter)) return known.roles
      throw RolesUnknown(messageOf(error))
    }
  }

  /** One question at a time for one person. */
  #ask(user: string, token: string): Promise<SpaceRoles> {
    let asking = this.#asking.get(user)
    if (!asking) {
      asking = this.#read(user, token).finally(() => this.#asking.delete(user))
      this.#asking.set(user, asking)
    }
    return asking
  }

  async #read(user: string, token: string): Promise<SpaceRoles> {
    const roles = { read: new Set<string>(), organizations: new Set<string>(), write: new Set<string>() }
    const query = new URLSearchParams({ user_guids: user, types: [...readers, manager].join(','), per_page: '5000' })
    for (let next: string | undefined = `/v3/roles?${query.toString()}`; next;) {
      const answer = await this.#client.request({ path: next, headers: { accept: 'application/json', authorization: `bearer ${token}` } })
      if (answer.status === 401) throw TokenInvalid('Cloud Controller does not take it')
      // A token without Cloud Controller's scopes has no role there.
      if (answer.status === 403) break
      if (answer.status !== 200) throw new Error(`Cloud Controller answered ${answer.status}`)
      const { pagination, resources } = parseJson(Page, answer, `${this.#client.origin}/v3/roles`)
      for (const { type, relationships } of resources) {
        const [space, organization] = [relationships.space?.data?.guid, relationships.organization?.data?.guid]
        if (space && readers.includes(type)) roles.read.add(space)
        if (space && type === writer) roles.write.add(space)
        if (organization && type === manager) roles.organizations.add(organization)
      }
      next = pagination.next ? pathOf(pagination.next.href) : undefined
    }
    this.#remember(user, roles)
    return roles
  }

  #remember(user: string, roles: SpaceRoles): void {
    this.#known.delete(user)
    this.#known.set(user, { roles, at: Date.now() })
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= mostRemembered) break
      this.#known.delete(oldest)
    }
  }
}

/** The next page is asked for where the first was, so that the token goes nowhere else. */
function pathOf(href: string): string {
  const { pathname, search } = new URL(href)
  return pathname + search
}
