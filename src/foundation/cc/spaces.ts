import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Space } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { SpaceAction } from './access.ts'
import { audit } from './audit.ts'
import { Body, parseBody, ToOne } from './body.ts'
import { answerList, emptyList, finishedJob, head, linkOf, toOne, type Link, type Platform } from './context.ts'
import { deleteRoute, deleteSpace } from './deletion.ts'
import { badQueryParameter, notFound, unprocessable } from './errors.ts'
import type { ListShape } from './list.ts'
import { mergeMetadata, MetadataField } from './metadata.ts'
import { presentOrganization, usage } from './organizations.ts'
import { accepted, type WithGuid } from './replies.ts'
import { userList } from './users.ts'

const nameRule = { maxLength: 255, pattern: '^[^\\u0000-\\u001f\\u007f]*\\S[^\\u0000-\\u001f\\u007f]*$' }
const SpaceCreate = Body({ name: Type.String(nameRule), relationships: Body({ organization: ToOne }), metadata: MetadataField })
const SpaceUpdate = Body({ name: Type.Optional(Type.String(nameRule)), metadata: MetadataField })
const FeatureUpdate = Body({ enabled: Type.Boolean() })

const spaceList: ListShape<Space, 'organization'> = {
  filters: { names: ({ name }) => name, organization_guids: 'organization' },
  include: ['org', 'organization'],
  orderBy: { name: ({ name }) => name },
  labels: true,
}

export function presentSpace(space: Space, link: Link): Record<string, unknown> {
  const path = `/v3/spaces/${space.guid}`
  return {
    ...head(space),
    name: space.name,
    suspended: false,
    relationships: { organization: toOne(space.organization), quota: toOne(null) },
    metadata: { labels: space.labels, annotations: space.annotations },
    links: {
      self: link(path),
      organization: link(`/v3/organizations/${space.organization}`),
      features: link(`${path}/features`),
      apply_manifest: link(`${path}/actions/apply_manifest`, 'POST'),
    },
  }
}

/** The space, if the caller may read it; and if `action` is given, may do that. */
export function spaceFor(store: Store, request: FastifyRequest<WithGuid>, action: SpaceAction = 'read'): Space {
  const space = store.spaces.get(request.params.guid)
  if (!space || !request.caller.access.may('read', space.guid)) throw notFound('Space')
  if (action !== 'read') request.caller.access.require(action, space.guid)
  return space
}

export function spaceRoutes(api: FastifyInstance, { store }: Platform): void {
  const includedOrganizations = (rows: Space[], _include: string[], link: Link) => ({
    organizations: [...new Set(rows.map(({ organization }) => organization))].map((guid) =>
      presentOrganization(store.organizations.get(guid)!, link),
    ),
  })

  api.get('/v3/spaces', (request) => {
    const readable = request.caller.access.spaces('read')
    return answerList(request, {
      table: store.spaces,
      shape: spaceList,
      visible: readable && ((space: Space) => readable.has(space.guid)),
      present: presentSpace,
      included: includedOrganizations,
    })
  })

  api.get<WithGuid & { Querystring: Record<string, string> }>('/v3/spaces/:guid', (request) => {
    const space = spaceFor(store, request)
    const { include } = request.query
    if (include !== undefined && include !== 'org' && include !== 'organization') {
      throw badQueryParameter(`Invalid included resource: '${include}'. Valid included resources are: 'org', 'organization'`)
    }
    const link = linkOf(request)
    return { ...presentSpace(space, link), ...(include && { included: includedOrganizations([space], [], link) }) }
  })

  api.post('/v3/spaces', (request, reply) => {
    const { access, actor } = request.caller
    const { name, relationships, metadata } = parseBody(SpaceCreate, request.body)
    const organization = store.organizations.get(relationships.organization.data.guid)
    if (!organization || !access.mayReadOrganization(organization.guid))
      throw unprocessable('Invalid organization. Ensure the organization exists and you have access to it.')
    access.requireManager(organization.guid)
    const fields = { name, organization: organization.guid, sshAllowed: true, ...mergeMetadata(metadata) }
    requireFreeName(store, organization.guid, name)
    const space = store.transaction(() => {
      const created = store.spaces.insert(fields)
      audit(store, 'audit.space.create', actor, target(created), { space: created.guid }, { request: { name } })
      return created
    })
    return reply.code(201).send(presentSpace(space, linkOf(request)))
  })

  api.patch<WithGuid>('/v3/spaces/:guid', (request) => {
    const space = spaceFor(store, request, 'update')
    const { metadata, ...changes } = parseBody(SpaceUpdate, request.body)
    const merged = mergeMetadata(metadata, space)
    if (changes.name !== undefined && changes.name !== space.name) requireFreeName(store, space.organization, changes.name)
    const updated = store.transaction(() => {
      const after = store.spaces.update(space.guid, { ...changes, ...merged })
      audit(store, 'audit.space.update', request.caller.actor, target(after), { space: after.guid }, { request: changes })
      return after
    })
    return presentSpace(updated, linkOf(request))
  })

  api.delete<WithGuid>('/v3/spaces/:guid', (request, reply) => {
    const space = spaceFor(store, request)
    request.caller.access.requireManager(space.organization)
    const job = store.transaction(() => {
      deleteSpace(store, space, request.caller.actor)
      return finishedJob(store, 'space.delete')
    })
    return accepted(request, reply, job)
  })

  api.delete<WithGuid & { Querystring: { unmapped?: string } }>('/v3/spaces/:guid/routes', (request, reply) => {
    const space = spaceFor(store, request, 'manageApps')
    if (request.query.unmapped !== 'true')
      throw unprocessable("Mass delete not supported for mapped routes. Use 'unmapped=true' parameter to delete all unmapped routes.")
    const job = store.transaction(() => {
      for (const route of store.routes.by('owner', space.guid))
        if (!route.destinations.length) deleteRoute(store, route, request.caller.actor)
      return finishedJob(store, 'space.delete_unmapped_routes')
    })
    return accepted(request, reply, job)
  })

  api.get<WithGuid>('/v3/spaces/:guid/users', (request) => {
    const space = spaceFor(store, request)
    const members = new Set(store.roles.by('space', space.guid).map(({ user }) => user))
    return answerList(request, { ...userList(store), visible: ({ guid }) => members.has(guid) })
  })

  api.get<WithGuid>('/v3/spaces/:guid/usage_summary', (request) => {
    const space = spaceFor(store, request)
    const link = linkOf(request)
    return {
      usage_summary: usage(store, [space]),
      links: { self: link(`/v3/spaces/${space.guid}/usage_summary`), space: link(`/v3/spaces/${space.guid}`) },
    }
  })

  for (const kind of ['running', 'staging']) {
    api.get<WithGuid>(`/v3/spaces/:guid/${kind}_security_groups`, (request) => {
      spaceFor(store, request)
      return emptyList(request)
    })
  }

  api.get<WithGuid>('/v3/spaces/:guid/relationships/isolation_segment', (request) => {
    const space = spaceFor(store, request)
    return { data: null, links: { self: linkOf(request)(`/v3/spaces/${space.guid}/relationships/isolation_segment`) } }
  })

  const sshFeature = ({ sshAllowed }: Space) => ({ name: 'ssh', description: 'Enable SSHing into apps in the space.', enabled: sshAllowed })
  api.get<WithGuid>('/v3/spaces/:guid/features', (request) => ({ features: [sshFeature(spaceFor(store, request))] }))
  api.get<{ Params: { guid: string; name: string } }>('/v3/spaces/:guid/features/:name', (request) => {
    const space = spaceFor(store, request)
    if (request.params.name !== 'ssh') throw notFound('Feature')
    return sshFeature(space)
  })
  api.patch<{ Params: { guid: string; name: string } }>('/v3/spaces/:guid/features/:name', (request) => {
    const space = spaceFor(store, request, 'update')
    if (request.params.name !== 'ssh') throw notFound('Feature')
    const { enabled } = parseBody(FeatureUpdate, request.body)
    return sshFeature(store.transaction(() => store.spaces.update(space.guid, { sshAllowed: enabled })))
  })
}

function target({ guid, name }: Space) {
  return { guid, type: 'space', name }
}

function requireFreeName(store: Store, organization: string, name: string): void {
  const taken = store.spaces.by('organization', organization).some((space) => space.name.toLowerCase() === name.toLowerCase())
  if (taken) throw unprocessable('Name must be unique per organization')
}
