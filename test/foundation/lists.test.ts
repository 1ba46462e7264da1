import { test } from 'tap'
import { loadRoutes } from '../../src/foundation/bulk.ts'
import { Harness, until } from './harness.ts'

test('pages are whole, in order, and link to each other', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  loadRoutes(harness.foundation.store, { routes: 25, space, domain: await harness.domain(admin), routesPerApp: 5 })
  const seen: string[] = []
  let next: string | undefined = `${harness.url}/v3/routes?per_page=10&space_guids=${space}`
  const pages = []
  while (next) {
    const { body } = await admin('GET', next)
    pages.push(body.pagination)
    seen.push(...body.resources.map((route: any) => route.host))
    next = body.pagination.next?.href
  }
  t.same(
    seen,
    Array.from({ length: 25 }, (_, n) => `bulk-${n}`),
  )
  t.match(pages[0], {
    total_results: 25,
    total_pages: 3,
    previous: null,
    first: { href: `${harness.url}/v3/routes?page=1&per_page=10&space_guids=${space}` },
  })
  t.match(pages[2], { next: null, previous: { href: /page=2/ } })
  t.match((await admin('GET', '/v3/routes?page=9')).body, { resources: [], pagination: { total_results: 25 } })
})

test('what never changes is paged and filtered too', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const names = async (query: string) =>
    (await admin('GET', `/v3/buildpacks?${query}`)).body.resources.map(({ name }: { name: string }) => name)
  t.same(await names('per_page=2'), ['nodejs_buildpack', 'staticfile_buildpack'])
  t.same(await names('per_page=2&page=2'), ['binary_buildpack'])
  t.same(await names('names=binary_buildpack,other'), ['binary_buildpack'])
  const [{ guid }] = (await admin('GET', '/v3/stacks?names=cflinuxfs4')).body.resources
  t.equal((await admin('GET', `/v3/stacks/${guid}`)).body.name, 'cflinuxfs4')
  t.same((await admin('GET', '/v3/stacks?guids=other')).body.resources, [])
})

test('a page is ordered as it was asked', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  for (const name of ['b', 'c', 'a']) await admin('POST', '/v3/organizations', { name })
  const first = harness.foundation.store.organizations.first('name', 'b')!
  await until(
    () => Date.now(),
    (now) => now > first.updatedAt + 1,
  )
  await admin('PATCH', `/v3/organizations/${first.guid}`, {})
  const names = async (order: string) =>
    (await admin('GET', `/v3/organizations?order_by=${order}`)).body.resources.map(({ name }: { name: string }) => name)
  t.same(await names('name'), ['a', 'b', 'c'])
  t.same(await names('-name'), ['c', 'b', 'a'])
  t.same(await names('created_at'), ['b', 'c', 'a'])
  t.same(await names('-created_at'), ['a', 'c', 'b'])
  t.same(await names('-updated_at'), ['b', 'a', 'c'])
})

test('times are compared as Cloud Controller compares them: a gt of the same second finds nothing', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { store } = harness.foundation
  const at = Date.parse('2026-01-02T03:04:05.500Z')
  store.transaction(() =>
    store.organizations.insert({ name: 'x', suspended: false, labels: {}, annotations: {}, createdAt: at, updatedAt: at }),
  )
  const found = async (query: string) => (await admin('GET', `/v3/organizations?names=x&${query}`)).body.pagination.total_results
  const table: [string, number][] = [
    ['updated_ats[gt]=2026-01-02T03:04:05Z', 0],
    ['updated_ats[gt]=2026-01-02T03:04:04Z', 1],
    ['updated_ats[gte]=2026-01-02T03:04:05Z', 1],
    ['updated_ats[gte]=2026-01-02T03:04:06Z', 0],
    ['updated_ats[lt]=2026-01-02T03:04:05Z', 0],
    ['updated_ats[lte]=2026-01-02T03:04:05Z', 1],
    ['updated_ats=2026-01-02T03:04:05Z', 1],
    ['created_ats[gte]=2026-01-02T03:04:05Z&created_ats[lt]=2026-01-02T03:04:06Z', 1],
  ]
  for (const [query, count] of table) t.equal(await found(query), count, query)
  t.match((await admin('GET', '/v3/organizations?names=x')).body.resources, [{ created_at: '2026-01-02T03:04:05Z' }])
})

test('label selectors select', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const labels: Record<string, Record<string, string>> = {
    a: { env: 'prod', tier: 'front' },
    b: { env: 'dev' },
    c: { 'example.com/env': 'prod' },
  }
  for (const [name, own] of Object.entries(labels)) await admin('POST', '/v3/organizations', { name, metadata: { labels: own } })
  const found = async (selector: string) =>
    (await admin('GET', `/v3/organizations?label_selector=${encodeURIComponent(selector)}`)).body.resources
      .map(({ name }: { name: string }) => name)
      .join('')
  const table: [string, string][] = [
    ['env=prod', 'a'],
    ['env==prod', 'a'],
    ['env!=prod', 'bc'],
    ['env', 'ab'],
    ['!env', 'c'],
    ['env in (prod,dev)', 'ab'],
    ['env notin (dev)', 'ac'],
    ['env=prod,tier', 'a'],
    ['env,!tier', 'b'],
    ['example.com/env=prod', 'c'],
  ]
  for (const [selector, names] of table) t.equal(await found(selector), names, selector)
})

test('some filters do more than compare', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { organization } = await harness.target(admin)
  await harness.user(admin, 'adalbert', {})
  t.match((await admin('GET', '/v3/users?partial_usernames=ALB')).body, {
    pagination: { total_results: 1 },
    resources: [{ username: 'adalbert' }],
  })
  const types = (await admin('GET', `/v3/audit_events?target_guids[not]=${organization}`)).body.resources.map(
    ({ type }: { type: string }) => type,
  )
  t.same(types, ['audit.space.create'])
})

test('what is included comes along, once', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  loadRoutes(harness.foundation.store, { routes: 3, space, domain: await harness.domain(admin) })
  const { body } = await admin('GET', '/v3/routes?include=domain,space.organization')
  t.match(body.included, { domains: [{ name: 'apps.test' }], spaces: [{ name: 's' }], organizations: [{ name: 'o' }] })
  t.equal(body.included.spaces.length, 1)
})

test('lists of what there is none of are empty, whatever is asked', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  for (const path of [
    'service_route_bindings?include=service_instance&route_guids=x',
    'service_instances?fields[space]=guid',
    'isolation_segments',
    'security_groups',
    'tasks',
    'space_quotas',
  ]) {
    t.match(await admin('GET', `/v3/${path}`), { status: 200, body: { pagination: { total_results: 0 }, resources: [] } }, path)
  }
})
