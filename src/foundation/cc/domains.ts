import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Domain } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { Access } from './access.ts'
import { Body, parseBody, ToMany, ToOne } from './body.ts'
import { answerList, finishedJob, head, linkOf, toMany, toOne, type Link, type Platform } from './context.ts'
import { deleteRoute } from './deletion.ts'
import { notAuthorized, notFound, unprocessable } from './errors.ts'
import { featureEnabled } from './feature-flags.ts'
import type { ListShape } from './list.ts'
import { mergeMetadata, MetadataField } from './metadata.ts'
import { accepted, type WithGuid } from './replies.ts'

const DomainCreate = Body({
  name: Type.String({ minLength: 3, maxLength: 253 }),
  internal: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  router_group: Type.Optional(Type.Unknown()),
  relationships: Type.Optional(Body({ organization: Type.Optional(ToOne), shared_organizations: Type.Optional(ToMany) })),
  metadata: MetadataField,
})
const DomainUpdate = Body({ metadata: MetadataField })

export const domainList: ListShape<Domain, 'name' | 'organization'> = {
  filters: { names: ({ name }) => name, organization_guids: 'organization' },
  labels: true,
}

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i

/** How a domain looks to the caller, who sees only those shared organizations that are theirs. */
export function presentDomain(access: Access): (domain: Domain, link: Link) => Record<string, unknown> {
  return (domain, link) => {
    const path = `/v3/domains/${domain.guid}`
    const shared = domain.sharedOrganizations.filter((guid) => access.mayReadDomains(guid))
    return {
      ...head(domain),
      name: domain.name,
      internal: domain.internal,
      router_group: null,
      supported_protocols: ['http'],
      relationships: { organization: toOne(domain.organization), shared_organizations: toMany(shared) },
      metadata: { labels: domain.labels, annotations: domain.annotations },
      links: {
        self: link(path),
        route_reservations: link(`${path}/route_reservations`),
        ...(domain.organization && {
          organization: link(`/v3/organizations/${domain.organization}`),
          shared_organizations: link(`${path}/relationships/shared_organizations`),
        }),
      },
    }
  }
}

/** Whether an organization's apps may have routes on a domain. */
export function usableBy(domain: Domain, organization: string): boolean {
  return domain.organization === null || domain.organization === organization || domain.sharedOrganizations.includes(organization)
}

export function domainRoutes(api: FastifyInstance, { store, systemDomain }: Platform): void {
  const visibleTo =
    (access: Access) =>
    ({ organization, sharedOrganizations }: Domain): boolean =>
      organization === null || [organization, ...sharedOrganizations].some((guid) => access.mayReadDomains(guid))

  const found = (request: FastifyRequest<WithGuid>): Domain => {
    const domain = store.domains.get(request.params.guid)
    if (!domain || !visibleTo(request.caller.access)(domain)) throw notFound('Domain')
    return domain
  }

  api.get('/v3/domains', (request) => {
    const { access } = request.caller
    return answerList(request, {
      table: store.domains,
      shape: domainList,
      visible: access.readsGlobally ? undefined : visibleTo(access),
      present: presentDomain(access),
    })
  })

  api.get<WithGuid>('/v3/domains/:guid', (request) => presentDomain(request.caller.access)(found(request), linkOf(request)))

  api.post('/v3/domains', (request, reply) => {
    const { access } = request.caller
    const { name, internal, relationships, metadata, router_group: group } = parseBody(DomainCreate, request.body)
    const faults = nameFaults(name)
    if (internal && relationships) faults.push('Cannot associate an internal domain with an organization')
    if (relationships?.shared_organizations && !relationships.organization)
      faults.push('Relationships cannot contain shared_organizations without an owning organization.')
    if (group !== undefined && group !== null) faults.push('Router group is not supported: there are no TCP routes here.')
    if (faults.length) throw unprocessable(faults.join(', '))
    const organization = relationships?.organization?.data.guid ?? null
    if (organization) requireOwner(store, access, organization)
    else if (!access.isAdmin) throw notAuthorized()
    const sharedOrganizations = sharedWith(store, access, relationships?.shared_organizations?.data ?? [], organization)
    if (organization && name.toLowerCase() === systemDomain)
      throw unprocessable(`The "${name}" domain is reserved and cannot be used for org-scoped domains.`)
    requireFreeName(store, name, organization)
    const fields = { name: name.toLowerCase(), internal: internal ?? false, organization, sharedOrganizations, ...mergeMetadata(metadata) }
    const domain = store.transaction(() => store.domains.insert(fields))
    return reply.code(201).send(presentDomain(access)(domain, linkOf(request)))
  })

  api.patch<WithGuid>('/v3/domains/:guid', (request) => {
    const domain = found(request)
    const { access } = request.caller
    access.requireManager(domain.organization)
    const merged = mergeMetadata(parseBody(DomainUpdate, request.body).metadata, domain)
    return presentDomain(access)(
      store.transaction(() => store.domains.update(domain.guid, merged)),
      linkOf(request),
    )
  })

  api.delete<WithGuid>('/v3/domains/:guid', (request, reply) => {
    const domain = found(request)
    request.caller.access.requireManager(domain.organization)
    if (domain.sharedOrganizations.length) throw unprocessable('This domain is shared with other organizations. Unshare before deleting.')
    const job = store.transaction(() => {
      for (const route of store.routes.by('domain', domain.guid)) deleteRoute(store, route, request.caller.actor)
      store.domains.remove(domain.guid)
      return finishedJob(store, 'domain.delete')
    })
    return accepted(request, reply, job)
  })

  api.get<WithGuid & { Querystring: { host?: string; path?: string; port?: string } }>(
    '/v3/domains/:guid/route_reservations',
    (request) => {
      const domain = found(request)
      const { host = '', path = '', port } = request.query
      const matching =
        !port &&
        store.routes
          .by('host', host.toLowerCase())
          .some((route) => route.domain === domain.guid && route.path.toLowerCase() === path.toLowerCase())
      return { matching_route: matching }
    },
  )

  api.post<WithGuid>('/v3/domains/:guid/relationships/shared_organizations', (request) => {
    const domain = found(request)
    const { access } = request.caller
    const { data } = parseBody(ToMany, request.body)
    access.requireManager(domain.organization)
    if (!domain.organization)
      throw unprocessable('Domains cannot be shared with other organizations unless they are scoped to an organization.')
    const added = sharedWith(store, access, data, domain.organization)
    const sharedOrganizations = [...new Set([...domain.sharedOrganizations, ...added])]
    return toMany(store.transaction(() => store.domains.update(domain.guid, { sharedOrganizations })).sharedOrganizations)
  })

  api.delete<{ Params: { guid: string; organization: string } }>(
    '/v3/domains/:guid/relationships/shared_organizations/:organization',
    (request, reply) => {
      const domain = found(request)
      const { access } = request.caller
      const organization = store.organizations.get(request.params.organization)
      if (!organization) throw unprocessable(invalidOrganization(request.params.organization))
      if (!access.managesOrganization(domain.organization) && !access.managesOrganization(organization.guid)) throw notAuthorized()
      if (!domain.sharedOrganizations.includes(organization.guid)) {
        throw unprocessable(
          `Unable to unshare domain from organization with name '${organization.name}'. Ensure the domain is shared to this organization.`,
        )
      }
      if (store.routes.by('domain', domain.guid).some(({ space }) => store.spaces.get(space)?.organization === organization.guid)) {
        throw unprocessable('This domain has associated routes in this organization. Delete the routes before unsharing.')
      }
      store.transaction(() =>
        store.domains.update(domain.guid, { sharedOrganizations: domain.sharedOrganizations.filter((guid) => guid !== organization.guid) }),
      )
      return reply.code(204).send()
    },
  )
}

function nameFaults(name: string): string[] {
  const faults = []
  if (!name.split('.').every((part) => label.test(part))) faults.push('Name does not comply with RFC 1035 standards')
  if (!name.includes('.')) faults.push('Name must contain at least one "."')
  if (name.split('.').some((part) => part.length > 63)) faults.push('Name subdomains must each be at most 63 characters')
  if (/[^a-z0-9\-.]/i.test(name)) faults.push('Name must consist of alphanumeric characters and hyphens')
  return faults
}

function invalidOrganization(guid: string): string {
  return `Organization with guid '${guid}' does not exist or you do not have access to it.`
}

function requireOwner(store: Store, access: Access, organization: string): void {
  if (!store.organizations.get(organization)) throw unprocessable(invalidOrganization(organization))
  access.requireManager(organization)
  if (!access.isAdmin) featureEnabled(store, 'private_domain_creation')
}

function sharedWith(store: Store, access: Access, data: { guid: string }[], owner: string | null): string[] {
  for (const { guid } of data) {
    if (!store.organizations.get(guid) || !access.mayReadOrganization(guid))
      throw unprocessable(`Organization with guid '${guid}' does not exist, or you do not have access to it.`)
    if (!access.managesOrganization(guid))
      throw unprocessable(`You do not have sufficient permissions for organization with guid '${guid}' to share domain.`)
    if (guid === owner) throw unprocessable('Domain cannot be shared with owning organization.')
  }
  return data.map(({ guid }) => guid)
}

/** A name is free if no route and no other domain has it, and no other organization's private domain lies above or below it. */
function requireFreeName(store: Store, name: string, organization: string | null): void {
  const wanted = name.toLowerCase()
  if (store.domains.first('name', wanted)) throw unprocessable(`The domain name "${name}" is already in use`)
  for (const other of store.domains.values()) {
    const foreign = other.organization !== null && other.organization !== organization
    if (foreign && (wanted.endsWith(`.${other.name}`) || other.name.endsWith(`.${wanted}`))) {
      throw unprocessable(`The domain name "${name}" cannot be created because "${other.name}" is already reserved by another domain`)
    }
  }
  const [host, parent] = [wanted.slice(0, wanted.indexOf('.')), wanted.slice(wanted.indexOf('.') + 1)]
  const above = store.domains.first('name', parent)
  if (above && store.routes.by('host', host).some(({ domain }) => domain === above.guid)) {
    throw unprocessable(`The domain name "${name}" cannot be created because "${name}" is already reserved by a route`)
  }
}
