import type { OrganizationRole, Role, Space, SpaceRole } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { Claims } from '../uaa/keys.ts'
import { notAuthorized, organizationSuspended } from './errors.ts'

type RoleType = OrganizationRole | SpaceRole

const spaceRoles: RoleType[] = ['space_developer', 'space_manager', 'space_auditor', 'space_supporter']
const readers: RoleType[] = [...spaceRoles, 'organization_manager']

/** What each thing one does in a space takes, as in Cloud Controller's lib/cloud_controller/permissions.rb. */
const spaceActions = {
  read: readers,
  readRoutes: [...readers, 'organization_auditor'],
  write: ['space_developer'],
  manageApps: ['space_developer', 'space_supporter'],
  update: ['space_manager', 'organization_manager'],
  readEnvironment: ['space_developer', 'space_supporter'],
  readSecrets: ['space_developer'],
  readEvents: ['space_developer', 'space_auditor', 'space_supporter'],
} satisfies Record<string, RoleType[]>

const organizationReaders: RoleType[] = [
  'organization_user',
  'organization_auditor',
  'organization_manager',
  'organization_billing_manager',
]

export type SpaceAction = keyof typeof spaceActions

/** What the caller of a request may see and do. */
export class Access {
  /** Guid of the user, or id of the client. */
  readonly guid: string
  readonly isAdmin: boolean
  readonly readsGlobally: boolean
  readonly #readsSecretsGlobally: boolean
  readonly #canRead: boolean
  readonly #canWrite: boolean
  readonly #store: Store
  #roles: Role[] | undefined

  constructor(store: Store, claims: Claims) {
    const has = (scope: string) => claims.scope.includes(scope)
    this.#store = store
    this.guid = claims.user_id ?? claims.client_id
    this.isAdmin = has('cloud_controller.admin')
    this.#readsSecretsGlobally = this.isAdmin || has('cloud_controller.admin_read_only')
    this.readsGlobally = this.#readsSecretsGlobally || has('cloud_controller.global_auditor')
    this.#canRead = this.readsGlobally || has('cloud_controller.read')
    this.#canWrite = this.isAdmin || has('cloud_controller.write')
  }

  /** Throws NotAuthorized where the token's scopes do not allow a request of this method. */
  requireScope(method: string): void {
    if (!(method === 'GET' || method === 'HEAD' ? this.#canRead : this.#canWrite)) throw notAuthorized()
  }

  requireAdmin(): void {
    if (!this.isAdmin) throw notAuthorized()
  }

  /** Whether the caller may do `action` in a space. */
  may(action: SpaceAction, spaceGuid: string): boolean {
    if (this.isAdmin) return true
    if (action === 'readEnvironment' || action === 'readSecrets') {
      if (this.#readsSecretsGlobally) return true
    } else if (this.readsGlobally && action.startsWith('read')) return true
    return this.#holds(spaceActions[action], spaceGuid, this.#store.spaces.get(spaceGuid)?.organization)
  }

  /** Throws NotAuthorized unless the caller may do `action`, OrgSuspended where nobody but an admin may change anything. */
  require(action: SpaceAction, spaceGuid: string): void {
    if (!this.may(action, spaceGuid)) throw notAuthorized()
    if (!this.isAdmin && this.#store.organizations.get(this.#store.spaces.get(spaceGuid)?.organization)?.suspended)
      throw organizationSuspended()
  }

  mayReadOrganization(guid: string): boolean {
    return this.readsGlobally || this.#holds(organizationReaders, undefined, guid)
  }

  managesOrganization(guid: string | null): boolean {
    return this.isAdmin || (guid !== null && this.#holds(['organization_manager'], undefined, guid))
  }

  requireManager(organization: string | null): void {
    if (!this.managesOrganization(organization)) throw notAuthorized()
    if (!this.isAdmin && this.#store.organizations.get(organization)?.suspended) throw organizationSuspended()
  }

  /** Whether the caller sees an organization's private domains. */
  mayReadDomains(organization: string): boolean {
    if (this.readsGlobally || this.#holds(['organization_manager', 'organization_auditor'], undefined, organization)) return true
    return this.#own().some(({ space }) => space !== null && this.#store.spaces.get(space)?.organization === organization)
  }

  /** Whether the caller may see what a role says. */
  mayReadRole({ organization, space }: Role): boolean {
    return organization ? this.mayReadOrganization(organization) : this.may('read', space!)
  }

  mayReadUser(guid: string): boolean {
    if (this.readsGlobally || guid === this.guid) return true
    return this.#store.roles.by('user', guid).some(({ organization }) => organization !== null && this.mayReadOrganization(organization))
  }

  mayReadEvent({ space, organization }: { space: string | null; organization: string | null }): boolean {
    if (this.readsGlobally) return true
    if (space !== null && this.may('readEvents', space)) return true
    return organization !== null && this.#holds(['organization_auditor'], undefined, organization)
  }

  /** Spaces in which the caller may do `action`; undefined for all of them. */
  spaces(action: SpaceAction): Set<string> | undefined {
    if (this.isAdmin || this.readsGlobally) return undefined
    const candidates = this.#own().flatMap(({ space, organization }): Space[] =>
      space ? [this.#store.spaces.get(space)!] : this.#store.spaces.by('organization', organization!),
    )
    return new Set(candidates.map(({ guid }) => guid).filter((guid) => this.may(action, guid)))
  }

  #holds(types: readonly RoleType[], space: string | undefined, organization: string | undefined): boolean {
    return this.#own().some((role) => types.includes(role.type) && (role.space ? role.space === space : role.organization === organization))
  }

  #own(): Role[] {
    return (this.#roles ??= this.#store.roles.by('user', this.guid))
  }
}
