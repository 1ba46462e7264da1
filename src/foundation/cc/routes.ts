import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Destination, Domain, Route, Space } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { Access } from './access.ts'
import { audit } from './audit.ts'
import { Body, Nullable, parseBody, ToOne } from './body.ts'
import { answerList, finishedJob, head, linkOf, timestamp, toOne, type Link, type Platform } from './context.ts'
import { deleteRoute, routeTarget } from './deletion.ts'
import { presentDomain, usableBy } from './domains.ts'
import { notFound, unprocessable } from './errors.ts'
import { featureEnabled } from './feature-flags.ts'
import type { ListShape } from './list.ts'
import { mergeMetadata, MetadataField } from './metadata.ts'
import { presentOrganization } from './organizations.ts'
import { accepted, type WithGuid } from './replies.ts'
import { mergeOptions } from './route-options.ts'
import { presentSpace } from './spaces.ts'

const RouteCreate = Body({
  host: Type.Optional(
    Nullable.string({
      maxLength: 63,
      pattern: '^([\\w-]+|\\*)?$',
      detail: 'must be either "*" or contain only alphanumeric characters, "_", or "-"',
    }),
  ),
  path: Type.Optional(Nullable.string()),
  port: Type.Optional(Nullable.integer({ minimum: 0, maximum: 65535 })),
  relationships: Body({ space: ToOne, domain: ToOne }),
  options: Type.Optional(Type.Unknown()),
  metadata: MetadataField,
})
const RouteUpdate = Body({ options: Type.Optional(Type.Unknown()), metadata: MetadataField })

const list: ListShape<Route, 'host' | 'domain' | 'owner' | 'space' | 'app'> = {
  filters: {
    hosts: 'host',
    paths: ({ path }) => path,
    domain_guids: 'domain',
    app_guids: 'app',
    ports: () => '0',
    service_instance_guids: () => undefined,
  },
  include: ['domain', 'space', 'space.organization', 'route_policies'],
  labels: true,
}

/** How routes are listed: a space also has those that are shared with it. */
function routeList(store: Store): typeof list {
  return {
    ...list,
    filters: {
      ...list.filters,
      space_guids: 'space',
      organization_guids: ({ space }) => store.spaces.get(space)?.organization,
    },
  }
}

export function routeUrl(store: Store, { host, domain, path }: Pick<Route, 'host' | 'domain' | 'path'>): string {
  const { name } = store.domains.get(domain)!
  return `${host ? `${host}.${name}` : name}${path}`
}

export function presentDestination({
  guid,
  app,
  type,
  weight,
  port,
  protocol,
  createdAt,
  updatedAt,
}: Destination): Record<string, unknown> {
  return {
    guid,
    app: { guid: app, process: { type } },
    weight,
    port,
    protocol,
    created_at: timestamp(createdAt),
    updated_at: timestamp(updatedAt),
  }
}

function presentRoute(store: Store): (route: Route, link: Link) => Record<string, unknown> {
  return (route, link) => {
    const path = `/v3/routes/${route.guid}`
    return {
      ...head(route),
      protocol: 'http',
      host: route.host,
      path: route.path,
      port: null,
      url: routeUrl(store, route),
      destinations: route.destinations.map(presentDestination),
      options: route.options,
      metadata: { labels: route.labels, annotations: route.annotations },
      relationships: { space: toOne(route.space), domain: toOne(route.domain) },
      links: {
        self: link(path),
        space: link(`/v3/spaces/${route.space}`),
        destinations: link(`${path}/destinations`),
        domain: link(`/v3/domains/${route.domain}`),
      },
    }
  }
}

/** The route, if the caller may read it; with `change`, if they may also change it. */
export function routeFor(store: Store, request: FastifyRequest<WithGuid>, change = false): Route {
  const { access } = request.caller
  const route = store.routes.get(request.params.guid)
  if (!route || !access.may('readRoutes', route.space)) throw notFound('Route')
  if (change) access.require('manageApps', route.space)
  return route
}

/** Which routes the caller sees; undefined for all. */
function routeVisibility(access: Access): ((route: Route) => boolean) | undefined {
  const spaces = access.spaces('readRoutes')
  return spaces && ((route) => spaces.has(route.space) || route.sharedSpaces.some((guid) => spaces.has(guid)))
}

export function routeRoutes(api: FastifyInstance, { store, systemDomain }: Platform): void {
  const present = presentRoute(store)
  const shape = routeList(store)

  const included = (access: Access) => (rows: Route[], include: string[], link: Link) => {
    const domains = [...new Set(rows.map(({ domain }) => domain))].map((guid) => store.domains.get(guid)!)
    const spaces = [...new Set(rows.map(({ space }) => space))].map((guid) => store.spaces.get(guid)!)
    const organizations = [...new Set(spaces.map(({ organization }) => organization))].map((guid) => store.organizations.get(guid)!)
    return {
      ...(include.includes('domain') && { domains: domains.map((domain) => presentDomain(access)(domain, link)) }),
      ...(include.some((name) => name.startsWith('space')) && { spaces: spaces.map((space) => presentSpace(space, link)) }),
      ...(include.includes('space.organization') && {
        organizations: organizations.map((organization) => presentOrganization(organization, link)),
      }),
      ...(include.includes('route_policies') && { route_policies: [] }),
    }
  }

  api.get('/v3/routes', (request) => {
    const { access } = request.caller
    return answerList(request, { table: store.routes, shape, visible: routeVisibility(access), present, included: included(access) })
  })

  api.get<WithGuid>('/v3/apps/:guid/routes', (request) => {
    const { access } = request.caller
    const app = store.apps.get(request.params.guid)
    if (!app || !access.may('read', app.space)) throw notFound('App')
    return answerList(request, { table: store.routes, shape, visible: routeVisibility(access), present, extra: { app_guids: app.guid } })
  })

  api.get<WithGuid & { Querystring: { include?: string } }>('/v3/routes/:guid', (request) => {
    const route = routeFor(store, request)
    const link = linkOf(request)
    const include = request.query.include?.split(',') ?? []
    return { ...present(route, link), ...(include.length && { included: included(request.caller.access)([route], include, link) }) }
  })

  api.post('/v3/routes', (request, reply) => {
    const { access, actor } = request.caller
    if (!access.isAdmin) featureEnabled(store, 'route_creation')
    const body = parseBody(RouteCreate, request.body)
    const faults = pathFaults(body.path)
    if (faults.length) throw unprocessable(faults.join(', '))
    const metadata = mergeMetadata(body.metadata)
    const options = mergeOptions(body.options)
    const space = store.spaces.get(body.relationships.space.data.guid)
    const domain = store.domains.get(body.relationships.domain.data.guid)
    if (!space) throw unprocessable('Invalid space. Ensure that the space exists and you have access to it.')
    if (!domain) throw unprocessable('Invalid domain. Ensure that the domain exists and you have access to it.')
    access.require('manageApps', space.guid)
    if (!domain.organization && body.host === '*' && !access.isAdmin) {
      throw unprocessable(
        'You do not have sufficient permissions to create a route with a wildcard host on a domain not scoped to an organization.',
      )
    }
    if (body.port) throw unprocessable("Routes with protocol 'http' do not support ports.")
    const place = { host: (body.host ?? '').toLowerCase(), path: body.path ?? '', domain, space }
    requireAllowed(store, place, systemDomain)
    const route = store.transaction(() => {
      const created = createRoute(store, place, { options, ...metadata })
      audit(store, 'audit.route.create', actor, routeTarget(created), { space: space.guid }, { request: body })
      return created
    })
    return reply.code(201).send(present(route, linkOf(request)))
  })

  api.patch<WithGuid>('/v3/routes/:guid', (request) => {
    const route = routeFor(store, request, true)
    const body = parseBody(RouteUpdate, request.body)
    const metadata = mergeMetadata(body.metadata, route)
    const options = mergeOptions(body.options, route.options)
    // Cloud Controller writes no event here: only `updated_at` tells.
    return present(
      store.transaction(() => store.routes.update(route.guid, { options, ...metadata })),
      linkOf(request),
    )
  })

  api.delete<WithGuid>('/v3/routes/:guid', (request, reply) => {
    const route = routeFor(store, request, true)
    const job = store.transaction(() => {
      deleteRoute(store, route, request.caller.actor)
      return finishedJob(store, 'route.delete')
    })
    return accepted(request, reply, job)
  })
}

interface Place {
  host: string
  path: string
  domain: Domain
  space: Space
}

/** Inserts a route, as part of the running transaction. */
export function createRoute(
  store: Store,
  { host, path, domain, space }: Place,
  fields: Pick<Route, 'options' | 'labels' | 'annotations'>,
): Route {
  return store.routes.insert({ host, path, domain: domain.guid, space: space.guid, destinations: [], sharedSpaces: [], ...fields })
}

function pathFaults(path: string | null | undefined): string[] {
  if (!path) return []
  return [
    ...(path.length > 128 ? ['Path is too long (maximum is 128 characters)'] : []),
    ...(path.startsWith('/') ? [] : ['Path must begin with /']),
    ...(path.includes('?') ? ['Path cannot contain ?'] : []),
    ...(path === '/' ? ['Path cannot be exactly /'] : []),
  ]
}

/** Throws UnprocessableEntity, with Cloud Controller's sentence, where a route may not be made there. */
export function requireAllowed(store: Store, { host, path, domain, space }: Place, systemDomain: string): void {
  const organization = store.organizations.get(space.organization)!
  if (!usableBy(domain, organization.guid))
    throw unprocessable(`Invalid domain. Domain '${domain.name}' is not available in organization '${organization.name}'.`)
  const fqdn = host ? `${host}.${domain.name}` : domain.name
  if (host && store.domains.first('name', fqdn)) throw unprocessable(`Route conflicts with domain '${fqdn}'.`)
  if (domain.name === systemDomain && ['api', 'uaa', 'login', 'doppler', 'log-cache', 'credhub'].includes(host))
    throw unprocessable('Route conflicts with a reserved system route.')
  if (domain.internal && host === '*') throw unprocessable('Wildcard hosts are not supported for internal domains.')
  if (!domain.organization && !host) throw unprocessable('Missing host. Routes in shared domains must have a host defined.')
  if (fqdn.length > 253) throw unprocessable('Host combined with domain name must be no more than 253 characters.')
  if (domain.internal && path) throw unprocessable('Paths are not supported for internal domains.')
  if (path && !URL.canParse(`http://host${path}`)) throw unprocessable('Path is invalid.')
  const sameHost = store.routes.by('host', host).filter((route) => route.domain === domain.guid)
  if (sameHost.some((route) => route.path.toLowerCase() === path.toLowerCase())) {
    if (path)
      throw unprocessable(
        host
          ? `Route already exists with host '${host}' and path '${path}' for domain '${domain.name}'.`
          : `Route already exists with path '${path}' for domain '${domain.name}'.`,
      )
    throw unprocessable(
      host ? `Route already exists with host '${host}' for domain '${domain.name}'.` : `Route already exists for domain '${domain.name}'.`,
    )
  }
  if (!domain.organization && sameHost.some((route) => route.space !== space.guid)) {
    throw unprocessable('Routes for this host and domain have been reserved for another space.')
  }
}
