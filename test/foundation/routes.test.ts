import { test } from 'tap'
import { Harness, to, until } from './harness.ts'

test('a route is made, found by every filter, changed and deleted', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { organization, space } = await harness.target(admin)
  const domain = await harness.domain(admin)
  const route = await harness.route(admin, space, {
    host: 'Web',
    path: '/a',
    metadata: { labels: { tier: 'front' } },
    options: { loadbalancing: 'least-connection' },
  })
  await harness.route(admin, space, { host: 'web' })
  t.match(route, {
    protocol: 'http',
    host: 'web',
    path: '/a',
    port: null,
    url: 'web.apps.test/a',
    destinations: [],
    options: { loadbalancing: 'least-connection' },
  })
  t.match(route.links, { self: { href: `${harness.url}/v3/routes/${route.guid}` } })

  const found = async (query: string) => (await admin('GET', `/v3/routes?${query}`)).body.pagination.total_results
  const one: string[] = [
    `guids=${route.guid}`,
    `hosts=web&paths=%2Fa`,
    'label_selector=tier%3Dfront',
    `hosts=web,other&paths=/a&domain_guids=${domain}&space_guids=${space}&organization_guids=${organization}`,
  ]
  for (const query of one) t.equal(await found(query), 1, query)
  t.equal(await found('hosts=web'), 2)
  t.equal(await found('hosts=web&paths='), 1, 'an empty path is a path')
  for (const query of ['hosts=nope', `app_guids=${space}`, 'ports=1024', 'label_selector=!tier&paths=/a'])
    t.equal(await found(query), 0, query)

  t.equal((await admin('GET', `/v3/domains/${domain}/route_reservations?host=web&path=/a`)).body.matching_route, true)
  t.equal((await admin('GET', `/v3/domains/${domain}/route_reservations?host=web&path=/b`)).body.matching_route, false)
  const gone = await admin('DELETE', `/v3/routes/${route.guid}`)
  t.equal(gone.status, 202)
  t.match((await admin('GET', gone.headers.get('location')!)).body, { operation: 'route.delete', state: 'COMPLETE' })
  t.match(await admin('GET', `/v3/routes/${route.guid}`), {
    status: 404,
    body: { errors: [{ code: 10010, title: 'CF-ResourceNotFound', detail: 'Route not found' }] },
  })
})

test('options and labels move updated_at; mapping and unmapping leave it and are told by events', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const app = await harness.push(admin, space, 'web')
  const { guid } = await harness.route(admin, space, { host: 'web' })
  const row = () => harness.foundation.store.routes.get(guid)!
  const events = async () =>
    (
      await admin('GET', `/v3/audit_events?order_by=-created_at&types=audit.app.map-route,audit.app.unmap-route,audit.route.update`)
    ).body.resources.map((event: any) => event.type)

  const before = row().updatedAt
  await new Promise((resolve) => setTimeout(resolve, 2))
  const mapped = await admin('POST', `/v3/routes/${guid}/destinations`, { destinations: [{ app: { guid: app } }] })
  t.match(mapped.body.destinations, [{ app: { guid: app, process: { type: 'web' } }, port: 8080, protocol: 'http1', weight: null }])
  t.equal(row().updatedAt, before)
  await admin('PATCH', `/v3/routes/${guid}`, { metadata: { labels: { a: 'b' } } })
  t.ok(row().updatedAt > before)
  const labelled = row().updatedAt
  await admin('DELETE', `/v3/routes/${guid}/destinations/${mapped.body.destinations[0].guid}`)
  t.equal(row().updatedAt, labelled)
  t.same(await events(), ['audit.app.unmap-route', 'audit.app.map-route'])
})

test("Diego's desired process follows routes, options and protocols at once", async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const app = await harness.push(admin, space, 'web')
  const routes = () => [...harness.diego.desired.values()][0]!.routes
  t.same(routes(), [])
  const { guid } = await harness.route(admin, space, { host: 'web', path: '/x' })
  await admin('POST', `/v3/routes/${guid}/destinations`, { destinations: [{ app: { guid: app }, port: 9000, protocol: 'http2' }] })
  t.same(routes(), [{ hostname: 'web.apps.test/x', port: 9000, protocol: 'http2' }])
  await admin('PATCH', `/v3/routes/${guid}`, { options: { loadbalancing: 'hash', hash_header: 'X-User', hash_balance: 2 } })
  t.same(routes()[0]!.options, { loadbalancing: 'hash', hash_header: 'X-User', hash_balance: '2.0' })
  await admin('PATCH', `/v3/routes/${guid}`, { options: { loadbalancing: null } })
  t.same(routes(), [{ hostname: 'web.apps.test/x', port: 9000, protocol: 'http2' }])

  const internal = await harness.route(admin, space, { host: 'web', domain: 'apps.internal' })
  await admin('POST', `/v3/routes/${internal.guid}/destinations`, { destinations: [{ app: { guid: app } }] })
  t.same([...harness.diego.desired.values()][0]!.internalRoutes, [{ hostname: 'web.apps.internal' }])
  await admin('DELETE', `/v3/routes/${guid}`)
  t.same(routes(), [])
  t.equal(harness.diego.desired.size, 1, 'in place')
})

test('weights are set only all together, sum to 100, and block single changes', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const [a, b] = [await harness.push(admin, space, 'a'), await harness.push(admin, space, 'b')]
  const { guid } = await harness.route(admin, space, { host: 'web' })
  const path = `/v3/routes/${guid}/destinations`
  const weighted = (...weights: (number | undefined)[]) => ({
    destinations: [a, b].map((app, at) => ({ app: { guid: app }, ...(weights[at] !== undefined && { weight: weights[at] }) })),
  })
  const refused = async (method: string, body: unknown, detail: string | RegExp) =>
    t.match(await admin(method, path, body), { status: 422, body: { errors: [{ code: 10008, title: 'CF-UnprocessableEntity', detail }] } })

  await refused('POST', weighted(90, 10), /weighted destinations can only be used when replacing all destinations/)
  await refused('PATCH', weighted(90, 20), 'Destinations must have weights that sum to 100.')
  await refused('PATCH', weighted(100), 'Destinations cannot contain both weighted and unweighted destinations.')
  await refused('PATCH', weighted(101, 1), /weight must be a positive integer between 1 and 100/)
  const set = await admin('PATCH', path, weighted(90, 10))
  t.same(set.body.destinations.map((one: any) => one.weight).sort(), [10, 90])
  await refused(
    'POST',
    { destinations: [{ app: { guid: a }, port: 9999 }] },
    'Destinations cannot be inserted when there are weighted destinations already configured.',
  )
  t.match(await admin('DELETE', `${path}/${set.body.destinations[0].guid}`), {
    status: 422,
    body: { errors: [{ detail: 'Weighted destinations cannot be deleted individually.' }] },
  })
  const changed = await admin('PATCH', path, weighted(50, 50))
  t.same(
    changed.body.destinations.map((one: any) => one.weight),
    [50, 50],
  )
  const types = (
    await admin('GET', `/v3/audit_events?target_guids=${a}&order_by=-created_at&per_page=2&types=audit.app.map-route,audit.app.unmap-route`)
  ).body.resources.map((event: any) => event.type)
  t.same(types, ['audit.app.map-route', 'audit.app.unmap-route'], 'a changed weight is both')
  t.same((await admin('PATCH', path, { destinations: [] })).body.destinations, [])
})

test('a route that may not be is refused in words of Cloud Controller', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { organization, space } = await harness.target(admin)
  const other = (await admin('POST', '/v3/spaces', { name: 'other', relationships: { organization: to(organization) } })).body.guid
  const domain = await harness.domain(admin)
  const developer = await harness.user(admin, 'dev', { organization_user: organization, space_developer: space })
  await harness.route(admin, space, { host: 'taken' })
  await harness.route(admin, space, { host: 'taken', path: '/p' })
  const create = (fields: object, session = admin, at = space, on = domain) =>
    session('POST', '/v3/routes', { ...fields, relationships: { space: to(at), domain: to(on) } })
  const refused = async (answer: Promise<{ status: number; body: any }>, detail: string) =>
    t.match(await answer, { status: 422, body: { errors: [{ code: 10008, detail }] } })

  await refused(create({ host: 'taken' }), "Route already exists with host 'taken' for domain 'apps.test'.")
  await refused(create({ host: 'taken', path: '/P' }), "Route already exists with host 'taken' and path '/P' for domain 'apps.test'.")
  await refused(
    create({ host: 'taken', path: '/q' }, admin, other),
    'Routes for this host and domain have been reserved for another space.',
  )
  await refused(create({}), 'Missing host. Routes in shared domains must have a host defined.')
  await refused(create({ host: 'a.b' }), 'Host must be either "*" or contain only alphanumeric characters, "_", or "-"')
  await refused(create({ host: 'x', path: 'p' }), 'Path must begin with /')
  await refused(create({ host: 'x', path: '/' }), 'Path cannot be exactly /')
  await refused(create({ host: 'x', path: '/a?b' }), 'Path cannot contain ?')
  await refused(create({ host: 'x', port: 8080 }), "Routes with protocol 'http' do not support ports.")
  await refused(create({ host: 'mesh' }), "Route conflicts with domain 'mesh.apps.test'.")
  await refused(
    create({ host: 'x', options: { loadbalancing: 'magic' } }),
    "Options Loadbalancing must be one of 'round-robin, least-connection, hash' if present",
  )
  await refused(create({ host: 'x', options: { loadbalancing: 'hash' } }), 'Hash header must be present when loadbalancing is set to hash.')
  await refused(create({ host: 'x', options: { colour: 'red' } }), "Options Unknown field(s): 'colour'")
  await refused(
    create({ host: '*' }, developer),
    'You do not have sufficient permissions to create a route with a wildcard host on a domain not scoped to an organization.',
  )
  await refused(create({ host: 'x' }, admin, 'nowhere'), 'Invalid space. Ensure that the space exists and you have access to it.')
  await refused(create({ host: 'x' }, admin, space, 'nowhere'), 'Invalid domain. Ensure that the domain exists and you have access to it.')
  t.match(await create({ host: 'x' }, developer, other), { status: 403 })
  t.match(await create({ host: '*' }), { status: 201 })
  const internal = await harness.domain(admin, 'apps.internal')
  await refused(create({ host: '*' }, admin, space, internal), 'Wildcard hosts are not supported for internal domains.')
  await refused(create({ host: 'x', path: '/p' }, admin, space, internal), 'Paths are not supported for internal domains.')
  t.equal((await admin('GET', '/v3/routes')).body.pagination.total_results, 3, 'nothing of what was refused is there')
})

test('a route is shared with a space, mapped there, given away, and taken back', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { organization, space } = await harness.target(admin)
  const other = (await admin('POST', '/v3/spaces', { name: 'other', relationships: { organization: to(organization) } })).body.guid
  const app = await harness.push(admin, other, 'web')
  const { guid } = await harness.route(admin, space, { host: 'web' })
  const map = () => admin('POST', `/v3/routes/${guid}/destinations`, { destinations: [{ app: { guid: app } }] })
  t.match(await map(), {
    status: 422,
    body: { errors: [{ detail: "Routes destinations must be in either the route's space or the route's shared spaces" }] },
  })
  t.match(await admin('POST', `/v3/routes/${guid}/relationships/shared_spaces`, { data: [{ guid: space }] }), { status: 422 })
  t.match(await admin('POST', `/v3/routes/${guid}/relationships/shared_spaces`, { data: [{ guid: other }] }), {
    status: 200,
    body: { data: [{ guid: other }] },
  })
  t.equal((await map()).status, 200)
  t.equal((await admin('GET', `/v3/routes?space_guids=${other}`)).body.pagination.total_results, 1)

  const stranger = await harness.user(admin, 'stranger', { organization_user: organization, space_developer: other })
  t.match(await stranger('GET', `/v3/routes?guids=${guid}`), { body: { pagination: { total_results: 1 } } }, 'seen where it is shared')
  t.match(await stranger('PATCH', `/v3/routes/${guid}`, {}), { status: 404 }, 'but only its owner may change it')

  t.match(await admin('PATCH', `/v3/routes/${guid}/relationships/space`, { data: { guid: other } }), {
    status: 200,
    body: { status: 'ok' },
  })
  t.match((await admin('GET', `/v3/routes/${guid}`)).body.relationships.space, to(other))
  t.same((await admin('GET', `/v3/routes/${guid}/relationships/shared_spaces`)).body.data, [{ guid: space }])
  t.equal((await admin('DELETE', `/v3/routes/${guid}/relationships/shared_spaces/${space}`)).status, 204)
  const events = (await admin('GET', `/v3/audit_events?target_guids=${guid}`)).body.resources.map((event: any) => event.type)
  t.same(events, ['audit.route.create', 'audit.route.share', 'audit.route.transfer-owner', 'audit.route.unshare'])
})

test('deleting an app unmaps its routes, which stay', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const app = await harness.push(admin, space, 'web')
  const { guid } = await harness.route(admin, space, { host: 'web' })
  await admin('POST', `/v3/routes/${guid}/destinations`, { destinations: [{ app: { guid: app } }] })
  t.equal((await admin('DELETE', `/v3/apps/${app}`)).status, 202)
  t.same((await admin('GET', `/v3/routes/${guid}`)).body.destinations, [])
  await until(
    () => harness.diego.desired.size,
    (size) => size === 0,
  )
})
