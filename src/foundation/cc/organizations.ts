import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Organization, Space } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { audit } from './audit.ts'
import { Body, parseBody } from './body.ts'
import { answerList, finishedJob, head, linkOf, toOne, type Link, type Platform } from './context.ts'
import { deleteSpace } from './deletion.ts'
import { presentDomain, domainList } from './domains.ts'
import { notFound, unprocessable } from './errors.ts'
import type { ListShape } from './list.ts'
import { mergeMetadata, MetadataField } from './metadata.ts'
import { defaultQuota } from './quotas.ts'
import { accepted, type WithGuid } from './replies.ts'
import { userList } from './users.ts'

const nameRule = { maxLength: 255, pattern: '^[^\\u0000-\\u001f\\u007f]*\\S[^\\u0000-\\u001f\\u007f]*$' }
const OrganizationCreate = Body({ name: Type.String(nameRule), suspended: Type.Optional(Type.Boolean()), metadata: MetadataField })
const OrganizationUpdate = Body({
  name: Type.Optional(Type.String(nameRule)),
  suspended: Type.Optional(Type.Boolean()),
  metadata: MetadataField,
})

const organizationList: ListShape<Organization, 'name'> = {
  filters: { names: ({ name }) => name },
  orderBy: { name: ({ name }) => name },
  labels: true,
}

export function presentOrganization(organization: Organization, link: Link): Record<string, unknown> {
  const path = `/v3/organizations/${organization.guid}`
  return {
    ...head(organization),
    name: organization.name,
    suspended: organization.suspended,
    relationships: { quota: toOne(defaultQuota) },
    metadata: { labels: organization.labels, annotations: organization.annotations },
    links: {
      self: link(path),
      domains: link(`${path}/domains`),
      default_domain: link(`${path}/domains/default`),
      quota: link(`/v3/organization_quotas/${defaultQuota}`),
    },
  }
}

export function organizationRoutes(api: FastifyInstance, platform: Platform): void {
  const { store } = platform

  api.get('/v3/organizations', (request) => {
    const { access } = request.caller
    return answerList(request, {
      table: store.organizations,
      shape: organizationList,
      visible: ({ guid }) => access.mayReadOrganization(guid),
      present: presentOrganization,
    })
  })

  api.get<WithGuid>('/v3/organizations/:guid', (request) => {
    const organization = store.organizations.get(request.params.guid)
    if (!organization || !request.caller.access.mayReadOrganization(organization.guid)) throw notFound('Organization')
    return presentOrganization(organization, linkOf(request))
  })

  api.post('/v3/organizations', (request, reply) => {
    request.caller.access.requireAdmin()
    const { name, suspended = false, metadata } = parseBody(OrganizationCreate, request.body)
    const fields = { name, suspended, ...mergeMetadata(metadata) }
    requireFreeName(store, name)
    const organization = store.transaction(() => {
      const created = store.organizations.insert(fields)
      audit(
        store,
        'audit.organization.create',
        request.caller.actor,
        target(created),
        { organization: created.guid },
        { request: { name } },
      )
      return created
    })
    return reply.code(201).send(presentOrganization(organization, linkOf(request)))
  })

  api.patch<WithGuid>('/v3/organizations/:guid', (request) => {
    const { access, actor } = request.caller
    const organization = store.organizations.get(request.params.guid)
    if (!organization || !access.mayReadOrganization(organization.guid)) throw notFound('Organization')
    access.requireManager(organization.guid)
    const { metadata, ...changes } = parseBody(OrganizationUpdate, request.body)
    if (changes.suspended !== undefined) access.requireAdmin()
    if (changes.name !== undefined && changes.name.toLowerCase() !== organization.name.toLowerCase()) requireFreeName(store, changes.name)
    const merged = mergeMetadata(metadata, organization)
    const updated = store.transaction(() => {
      const after = store.organizations.update(organization.guid, { ...changes, ...merged })
      audit(store, 'audit.organization.update', actor, target(after), { organization: after.guid }, { request: changes })
      return after
    })
    return presentOrganization(updated, linkOf(request))
  })

  api.delete<WithGuid>('/v3/organizations/:guid', (request, reply) => {
    const { access, actor } = request.caller
    const organization = store.organizations.get(request.params.guid)
    if (!organization || !access.mayReadOrganization(organization.guid)) throw notFound('Organization')
    access.requireAdmin()
    const job = store.transaction(() => {
      for (const space of store.spaces.by('organization', organization.guid)) deleteSpace(store, space, actor)
      for (const role of store.roles.by('organization', organization.guid)) store.roles.remove(role.guid)
      for (const domain of store.domains.by('organization', organization.guid)) store.domains.remove(domain.guid)
      for (const domain of store.domains.values()) {
        if (domain.sharedOrganizations.includes(organization.guid)) {
          store.domains.update(domain.guid, {
            sharedOrganizations: domain.sharedOrganizations.filter((guid) => guid !== organization.guid),
          })
        }
      }
      store.organizations.remove(organization.guid)
      audit(
        store,
        'audit.organization.delete-request',
        actor,
        target(organization),
        { organization: organization.guid },
        { request: { recursive: true } },
      )
      return finishedJob(store, 'organization.delete')
    })
    return accepted(request, reply, job)
  })

  api.get<WithGuid>('/v3/organizations/:guid/domains', (request) => {
    const { access } = request.caller
    const organization = store.organizations.get(request.params.guid)
    if (!organization || !access.mayReadOrganization(organization.guid)) throw notFound('Organization')
    const usable = (domain: { organization: string | null; sharedOrganizations: string[] }) =>
      domain.organization === null ||
      (access.mayReadDomains(organization.guid) &&
        (domain.organization === organization.guid || domain.sharedOrganizations.includes(organization.guid)))
    return answerList(request, { table: store.domains, shape: domainList, visible: usable, present: presentDomain(access) })
  })

  api.get<WithGuid>('/v3/organizations/:guid/domains/default', (request) => {
    const { access } = request.caller
    const organization = store.organizations.get(request.params.guid)
    if (!organization || !access.mayReadOrganization(organization.guid)) throw notFound('Organization')
    const domains = [...store.domains.values()].filter(({ internal }) => !internal)
    const found =
      domains.find(({ organization: owner }) => owner === null) ?? domains.find(({ organization: owner }) => owner === organization.guid)
    if (!found) throw notFound('Domain')
    return presentDomain(access)(found, linkOf(request))
  })

  api.get<WithGuid>('/v3/organizations/:guid/users', (request) => {
    const { access } = request.caller
    const organization = store.organizations.get(request.params.guid)
    if (!organization || !access.mayReadOrganization(organization.guid)) throw notFound('Organization')
    const members = new Set(store.roles.by('organization', organization.guid).map(({ user }) => user))
    return answerList(request, { ...userList(store), visible: ({ guid }) => members.has(guid) })
  })

  api.get<WithGuid>('/v3/organizations/:guid/usage_summary', (request) => {
    const organization = store.organizations.get(request.params.guid)
    if (!organization || !request.caller.access.mayReadOrganization(organization.guid)) throw notFound('Organization')
    const link = linkOf(request)
    const path = `/v3/organizations/${organization.guid}`
    return {
      usage_summary: usage(store, store.spaces.by('organization', organization.guid)),
      links: { self: link(`${path}/usage_summary`), organization: link(path) },
    }
  })

  api.get<WithGuid>('/v3/organizations/:guid/relationships/default_isolation_segment', (request) => {
    const organization = store.organizations.get(request.params.guid)
    if (!organization || !request.caller.access.mayReadOrganization(organization.guid)) throw notFound('Organization')
    return {
      data: null,
      links: { self: linkOf(request)(`/v3/organizations/${organization.guid}/relationships/default_isolation_segment`) },
    }
  })
}

/** What the started apps of some spaces use. */
export function usage(store: Store, spaces: Space[]): Record<string, number> {
  const apps = spaces.flatMap(({ guid }) => store.apps.by('space', guid))
  const processes = apps.filter(({ state }) => state === 'STARTED').flatMap(({ guid }) => store.processes.by('app', guid))
  const routes = spaces.reduce((sum, { guid }) => sum + store.routes.count('owner', guid), 0)
  return {
    started_instances: processes.reduce((sum, { instances }) => sum + instances, 0),
    memory_in_mb: processes.reduce((sum, { instances, memoryMb }) => sum + instances * memoryMb, 0),
    routes,
    service_instances: 0,
    reserved_ports: 0,
    domains: 0,
    per_app_tasks: 0,
    service_keys: 0,
  }
}

function target({ guid, name }: Organization) {
  return { guid, type: 'organization', name }
}

function requireFreeName(store: Store, name: string): void {
  if (store.organizations.first('name', name.toLowerCase())) throw unprocessable(`Organization '${name}' already exists.`)
}
