import type { FastifyInstance } from 'fastify'
import { Type, type Static } from 'typebox'
import type { Organization, OrganizationRole, Role, Space, SpaceRole, User } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { Access } from './access.ts'
import { audit } from './audit.ts'
import { Body, parseBody, ToOne } from './body.ts'
import { answerList, finishedJob, head, linkOf, toOne, type Link, type Platform } from './context.ts'
import { notAuthorized, notFound, unprocessable } from './errors.ts'
import type { ListShape } from './list.ts'
import { presentOrganization } from './organizations.ts'
import { accepted, type WithGuid } from './replies.ts'
import { presentSpace } from './spaces.ts'
import { accountNamed, presentUser, userOf } from './users.ts'

const organizationRoles: OrganizationRole[] = [
  'organization_user',
  'organization_auditor',
  'organization_manager',
  'organization_billing_manager',
]
const spaceRoles: SpaceRole[] = ['space_auditor', 'space_developer', 'space_manager', 'space_supporter']
const types = [...spaceRoles, ...organizationRoles]

const RoleCreate = Body({
  type: Type.Enum(types, { detail: `must be one of the allowed types ${JSON.stringify(types).replaceAll(',', ', ')}` }),
  relationships: Body({
    user: Body({
      data: Body({ guid: Type.Optional(Type.String()), username: Type.Optional(Type.String()), origin: Type.Optional(Type.String()) }),
    }),
    organization: Type.Optional(ToOne),
    space: Type.Optional(ToOne),
  }),
})
type RoleCreate = Static<typeof RoleCreate>

const roleList: ListShape<Role, 'user' | 'organization' | 'space'> = {
  filters: { user_guids: 'user', organization_guids: 'organization', space_guids: 'space', types: ({ type }) => type },
  include: ['user', 'organization', 'space'],
}

function presentRole(role: Role, link: Link): Record<string, unknown> {
  return {
    ...head(role),
    type: role.type,
    relationships: { user: toOne(role.user), organization: toOne(role.organization), space: toOne(role.space) },
    links: {
      self: link(`/v3/roles/${role.guid}`),
      user: link(`/v3/users/${encodeURIComponent(role.user)}`),
      ...(role.space ? { space: link(`/v3/spaces/${role.space}`) } : { organization: link(`/v3/organizations/${role.organization}`) }),
    },
  }
}

export function roleRoutes(api: FastifyInstance, { store }: Platform): void {
  const included = (rows: Role[], include: string[], link: Link) => {
    const distinct = (field: 'user' | 'organization' | 'space') => [...new Set(rows.flatMap((role) => role[field] ?? []))]
    return {
      ...(include.includes('user') && {
        users: distinct('user')
          .flatMap((guid) => store.users.get(guid) ?? [])
          .map((user) => presentUser(user, link)),
      }),
      ...(include.includes('organization') && {
        organizations: distinct('organization').map((guid) => presentOrganization(store.organizations.get(guid)!, link)),
      }),
      ...(include.includes('space') && { spaces: distinct('space').map((guid) => presentSpace(store.spaces.get(guid)!, link)) }),
    }
  }

  api.get('/v3/roles', (request) => {
    const { access } = request.caller
    return answerList(request, {
      table: store.roles,
      shape: roleList,
      visible: (role) => access.mayReadRole(role),
      present: presentRole,
      included,
    })
  })

  api.get<WithGuid>('/v3/roles/:guid', (request) => {
    const role = store.roles.get(request.params.guid)
    if (!role || !request.caller.access.mayReadRole(role)) throw notFound('Role')
    return presentRole(role, linkOf(request))
  })

  api.post('/v3/roles', (request, reply) => {
    const { access, actor } = request.caller
    const body = parseBody(RoleCreate, request.body)
    const { space, organization } = place(store, access, body)
    const role = store.transaction(() => {
      const user = userFor(store, access, body)
      const created = space
        ? addSpaceRole(store, body.type as SpaceRole, user, space)
        : addOrganizationRole(store, body.type as OrganizationRole, user, organization!)
      const name = user.username ?? user.guid
      audit(
        store,
        `audit.user.${body.type}_add`,
        actor,
        { guid: user.guid, type: 'user', name },
        { space: space?.guid ?? null, organization: (space?.organization ?? organization?.guid)! },
        { request: body },
      )
      return created
    })
    return reply.code(201).send(presentRole(role, linkOf(request)))
  })

  api.delete<WithGuid>('/v3/roles/:guid', (request, reply) => {
    const { access, actor } = request.caller
    const role = store.roles.get(request.params.guid)
    if (!role || !access.mayReadRole(role)) throw notFound('Role')
    if (role.space) requireSpaceManager(access, store.spaces.get(role.space)!)
    else access.requireManager(role.organization)
    if (role.type === 'organization_user') requireNoOtherRole(store, role)
    const job = store.transaction(() => {
      store.roles.remove(role.guid)
      const name = store.users.get(role.user)?.username ?? role.user
      audit(
        store,
        `audit.user.${role.type}_remove`,
        actor,
        { guid: role.user, type: 'user', name },
        { space: role.space, organization: role.organization },
      )
      return finishedJob(store, 'role.delete')
    })
    return accepted(request, reply, job)
  })
}

/** Where the role is to be, if the caller may give it there. */
function place(store: Store, access: Access, { type, relationships }: RoleCreate): { space?: Space; organization?: Organization } {
  const [spaceGuid, organizationGuid] = [relationships.space?.data.guid, relationships.organization?.data.guid]
  if (!spaceGuid && !organizationGuid) throw unprocessable('Relationships must specify either a space or an organization.')
  if (spaceGuid && organizationGuid) throw unprocessable('Relationships cannot specify both an organization and a space.')
  if (spaceGuid && !spaceRoles.includes(type as SpaceRole))
    throw unprocessable(`Relationships Space cannot be provided with the organization role type: '${type}'.`)
  if (organizationGuid && spaceRoles.includes(type as SpaceRole))
    throw unprocessable(`Relationships Organization cannot be provided with the space role type: '${type}'.`)
  if (spaceGuid) {
    const space = store.spaces.get(spaceGuid)
    if (!space || !access.may('read', space.guid))
      throw unprocessable('Invalid space. Ensure that the space exists and you have access to it.')
    requireSpaceManager(access, space)
    return { space }
  }
  const organization = store.organizations.get(organizationGuid)
  if (!organization || !access.mayReadOrganization(organization.guid))
    throw unprocessable('Invalid organization. Ensure that the organization exists and you have access to it.')
  access.requireManager(organization.guid)
  return { organization }
}

function requireSpaceManager(access: Access, space: Space): void {
  if (!access.may('update', space.guid)) throw notAuthorized()
}

function userFor(store: Store, access: Access, { relationships }: RoleCreate): User {
  const { guid, username, origin } = relationships.user.data
  if (guid !== undefined && username !== undefined)
    throw unprocessable('Relationships Username cannot be specified when identifying user by guid')
  if (guid !== undefined && origin !== undefined)
    throw unprocessable('Relationships User origin cannot be specified when identifying user by guid')
  if (guid === undefined && username === undefined) {
    throw unprocessable(
      origin === undefined
        ? 'Relationships User must have a username or guid specified'
        : 'Relationships User origin cannot be specified without specifying the username',
    )
  }
  if (guid !== undefined) {
    const user = store.users.get(guid)
    if (!user || !(access.mayReadUser(guid) || access.isAdmin))
      throw unprocessable('Invalid user. Ensure that the user exists and you have access to it.')
    return user
  }
  const account = accountNamed(store, username!, origin)
  if (!account) {
    throw unprocessable(
      origin ? `No user exists with the username '${username}' and origin '${origin}'.` : `No user exists with the username '${username}'.`,
    )
  }
  return userOf(store, account)
}

function addSpaceRole(store: Store, type: SpaceRole, user: User, space: Space): Role {
  const held = store.roles.by('user', user.guid)
  if (!held.some(({ organization }) => organization === space.organization)) {
    throw unprocessable("Users cannot be assigned roles in a space if they do not have a role in that space's organization.")
  }
  if (held.some((role) => role.type === type && role.space === space.guid)) {
    throw unprocessable(`User '${user.username ?? user.guid}' already has '${type}' role in space '${space.name}'.`)
  }
  return store.roles.insert({ type, user: user.guid, organization: null, space: space.guid })
}

function addOrganizationRole(store: Store, type: OrganizationRole, user: User, organization: Organization): Role {
  if (store.roles.by('user', user.guid).some((role) => role.type === type && role.organization === organization.guid)) {
    throw unprocessable(`User '${user.username ?? user.guid}' already has '${type}' role in organization '${organization.name}'.`)
  }
  return store.roles.insert({ type, user: user.guid, organization: organization.guid, space: null })
}

function requireNoOtherRole(store: Store, role: Role): void {
  const inOrganization = ({ organization, space }: Role) =>
    organization === role.organization || store.spaces.get(space)?.organization === role.organization
  const others = store.roles.by('user', role.user).filter((other) => other.guid !== role.guid && inOrganization(other))
  if (others.length) throw unprocessable('Cannot delete organization_user role while user has roles in spaces in that organization.')
}
