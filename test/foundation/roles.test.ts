import { test } from 'tap'
import { Harness, to } from './harness.ts'

test('each role sees and does what it may, and no more', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { organization, space } = await harness.target(admin)
  const elsewhere = await harness.target(admin, 'o2', 's2')
  const app = await harness.push(admin, space, 'web')
  await harness.push(admin, elsewhere.space, 'hidden')
  const route = await harness.route(admin, space, { host: 'web' })
  await harness.route(admin, elsewhere.space, { host: 'hidden' })

  const member = { organization_user: organization }
  const sessions = {
    developer: await harness.user(admin, 'developer', { ...member, space_developer: space }),
    supporter: await harness.user(admin, 'supporter', { ...member, space_supporter: space }),
    auditor: await harness.user(admin, 'auditor', { ...member, space_auditor: space }),
    manager: await harness.user(admin, 'manager', { ...member, space_manager: space }),
    'org manager': await harness.user(admin, 'orgmanager', { organization_manager: organization }),
    'org auditor': await harness.user(admin, 'orgauditor', { organization_auditor: organization }),
    'org user': await harness.user(admin, 'orguser', member),
    'read-only client': await harness.loginClient(),
  }
  const names = Object.keys(sessions) as (keyof typeof sessions)[]
  type Expected = Partial<Record<keyof typeof sessions, number>>
  const everyone = (status: number, but: Expected = {}): Expected => ({
    ...Object.fromEntries(names.map((name) => [name, status])),
    ...but,
  })

  const table: [string, string, unknown, Expected][] = [
    ['GET', `/v3/organizations/${organization}`, undefined, everyone(200)],
    ['GET', `/v3/organizations/${elsewhere.organization}`, undefined, everyone(404, { 'read-only client': 200 })],
    ['GET', `/v3/spaces/${space}`, undefined, everyone(200, { 'org auditor': 404, 'org user': 404 })],
    ['GET', `/v3/apps/${app}`, undefined, everyone(200, { 'org auditor': 404, 'org user': 404 })],
    ['GET', `/v3/routes/${route.guid}`, undefined, everyone(200, { 'org user': 404 })],
    [
      'GET',
      `/v3/apps/${app}/env`,
      undefined,
      everyone(403, { developer: 200, supporter: 200, 'read-only client': 200, 'org auditor': 404, 'org user': 404 }),
    ],
    [
      'PATCH',
      `/v3/apps/${app}`,
      { metadata: { labels: { a: 'b' } } },
      everyone(403, { developer: 200, 'org auditor': 404, 'org user': 404 }),
    ],
    [
      'PATCH',
      `/v3/routes/${route.guid}`,
      { metadata: { labels: { a: 'b' } } },
      everyone(403, { developer: 200, supporter: 200, 'org user': 404, 'read-only client': 403 }),
    ],
    [
      'POST',
      `/v3/apps/${app}/actions/restart`,
      undefined,
      everyone(403, { developer: 200, supporter: 200, 'org auditor': 404, 'org user': 404 }),
    ],
    [
      'PATCH',
      `/v3/spaces/${space}`,
      { metadata: { labels: { a: 'b' } } },
      everyone(403, { manager: 200, 'org manager': 200, 'org auditor': 404, 'org user': 404 }),
    ],
    ['PATCH', `/v3/organizations/${organization}`, { metadata: { labels: { a: 'b' } } }, everyone(403, { 'org manager': 200 })],
    ['POST', '/v3/organizations', { name: 'mine' }, everyone(403)],
    ['POST', '/v3/domains', { name: 'shared.example.test' }, everyone(403)],
    ['DELETE', `/v3/spaces/${elsewhere.space}`, undefined, everyone(404, { 'read-only client': 403 })],
  ]
  for (const [method, path, body, expected] of table) {
    for (const name of names)
      t.equal(
        (await sessions[name](method, path, body)).status,
        expected[name],
        `${name}: ${method} ${path.replace(/[0-9a-f-]{36}/, 'GUID')}`,
      )
  }

  const seen = async (session: (typeof sessions)['developer'], path: string) => (await session('GET', path)).body.pagination.total_results
  for (const name of names) {
    const all = name === 'read-only client' ? 2 : 1
    const inSpace = ['org auditor', 'org user'].includes(name) ? 0 : all
    t.equal(await seen(sessions[name], '/v3/apps'), inSpace, `${name}: apps`)
    t.equal(await seen(sessions[name], '/v3/spaces'), inSpace, `${name}: spaces`)
    t.equal(await seen(sessions[name], '/v3/processes'), inSpace, `${name}: processes`)
    t.equal(await seen(sessions[name], '/v3/routes'), name === 'org user' ? 0 : all, `${name}: routes`)
    t.equal(await seen(sessions[name], '/v3/organizations'), all, `${name}: organizations`)
  }
})

test('an app of a space the caller does not see cannot be reached through a route', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { organization, space } = await harness.target(admin)
  const elsewhere = await harness.target(admin, 'o2', 's2')
  const hidden = await harness.push(admin, elsewhere.space, 'hidden')
  const developer = await harness.user(admin, 'dev', { organization_user: organization, space_developer: space })
  const route = await harness.route(developer, space, { host: 'mine' })
  const { status, body } = await developer('POST', `/v3/routes/${route.guid}/destinations`, { destinations: [{ app: { guid: hidden } }] })
  t.equal(status, 422)
  t.match(body.errors[0].detail, /you do not have access/)
  t.equal((await developer('GET', `${harness.logCache}/api/v1/read/${hidden}`)).status, 404, 'nor its logs')
})

test('a private domain belongs to its organization and those it is shared with', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { organization, space } = await harness.target(admin)
  const other = await harness.target(admin, 'o2', 's2')
  const manager = await harness.user(admin, 'manager', { organization_manager: organization })
  const stranger = await harness.user(admin, 'stranger', { organization_user: other.organization, space_developer: other.space })
  const made = await manager('POST', '/v3/domains', { name: 'private.example.test', relationships: { organization: to(organization) } })
  t.match(made, {
    status: 201,
    body: { name: 'private.example.test', relationships: to(organization).data && { organization: to(organization) } },
  })
  t.equal((await stranger('GET', '/v3/domains?names=private.example.test')).body.pagination.total_results, 0)
  const create = (session: typeof admin, at: string) =>
    session('POST', '/v3/routes', { host: '', relationships: { space: to(at), domain: to(made.body.guid) } })
  t.match(await create(stranger, other.space), {
    status: 422,
    body: { errors: [{ detail: "Invalid domain. Domain 'private.example.test' is not available in organization 'o2'." }] },
  })
  t.equal((await create(admin, space)).status, 201)

  t.match(
    await admin('POST', `/v3/domains/${made.body.guid}/relationships/shared_organizations`, { data: [{ guid: other.organization }] }),
    { status: 200 },
  )
  t.equal((await stranger('GET', '/v3/domains?names=private.example.test')).body.pagination.total_results, 1)
  t.match(await stranger('POST', '/v3/routes', { host: 'x', relationships: { space: to(other.space), domain: to(made.body.guid) } }), {
    status: 201,
  })
  t.match(await admin('DELETE', `/v3/domains/${made.body.guid}`), {
    status: 422,
    body: { errors: [{ detail: 'This domain is shared with other organizations. Unshare before deleting.' }] },
  })
  t.match(await admin('DELETE', `/v3/domains/${made.body.guid}/relationships/shared_organizations/${other.organization}`), {
    status: 422,
    body: { errors: [{ detail: 'This domain has associated routes in this organization. Delete the routes before unsharing.' }] },
  })
})

test('a suspended organization is only read', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { organization, space } = await harness.target(admin)
  const app = await harness.push(admin, space, 'web')
  const developer = await harness.user(admin, 'dev', { organization_user: organization, space_developer: space })
  await admin('PATCH', `/v3/organizations/${organization}`, { suspended: true })
  t.match(await developer('POST', `/v3/apps/${app}/actions/restart`), {
    status: 403,
    body: { errors: [{ code: 10017, title: 'CF-OrgSuspended' }] },
  })
  t.equal((await developer('GET', `/v3/apps/${app}`)).status, 200)
})

test('roles need the organization first, are given once and taken back', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { organization, space } = await harness.target(admin)
  await harness.user(admin, 'ada', {})
  const user = { data: { username: 'ada', origin: 'uaa' } }
  const inSpace = () => admin('POST', '/v3/roles', { type: 'space_developer', relationships: { user, space: to(space) } })
  t.match(await inSpace(), {
    status: 422,
    body: { errors: [{ detail: "Users cannot be assigned roles in a space if they do not have a role in that space's organization." }] },
  })
  t.equal(
    (await admin('POST', '/v3/roles', { type: 'organization_user', relationships: { user, organization: to(organization) } })).status,
    201,
  )
  const role = await inSpace()
  t.equal(role.status, 201)
  t.match(await inSpace(), { status: 422, body: { errors: [{ detail: "User 'ada' already has 'space_developer' role in space 's'." }] } })
  t.match((await admin('GET', `/v3/roles?space_guids=${space}&include=user,space`)).body, {
    resources: [{ type: 'space_developer' }],
    included: { users: [{ username: 'ada' }], spaces: [{ name: 's' }] },
  })
  t.equal((await admin('DELETE', `/v3/roles/${role.body.guid}`)).status, 202)
  t.equal((await admin('GET', `/v3/roles/${role.body.guid}`)).status, 404)
})
