import { connect } from 'node:net'
import { test } from 'tap'
import { Harness, to, until } from './harness.ts'

test('every fault is told with code, title and detail of Cloud Controller, and changes nothing', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { organization, space } = await harness.target(admin)
  const app = (await admin('POST', '/v3/apps', { name: 'web', relationships: { space: to(space) } })).body.guid
  const before = harness.foundation.store.apps.get(app)
  const json = { 'content-type': 'application/json' }

  const cases: [string, string, unknown, number, number, string | RegExp][] = [
    ['POST', '/v3/organizations', '{"name":', 400, 1001, 'Request invalid due to parse error: invalid request body'],
    ['POST', '/v3/organizations', '[1]', 400, 1001, /parse error/],
    ['POST', '/v3/organizations', '{}', 422, 10008, "Name can't be blank"],
    ['POST', '/v3/organizations', { name: 5 }, 422, 10008, 'Name must be a string'],
    ['POST', '/v3/organizations', { name: '  ' }, 422, 10008, "Name can't be blank"],
    ['POST', '/v3/organizations', { name: 'x'.repeat(256) }, 422, 10008, 'Name is too long (maximum is 255 characters)'],
    ['POST', '/v3/organizations', { name: 'o' }, 422, 10008, "Organization 'o' already exists."],
    ['POST', '/v3/organizations', { name: 'x', colour: 'red', size: 1 }, 422, 10008, "Unknown field(s): 'colour', 'size'"],
    [
      'POST',
      '/v3/organizations',
      { name: 'x', metadata: { labels: { 'bad key': 'x' } } },
      422,
      10008,
      "Metadata label key error: 'bad key' contains invalid characters",
    ],
    [
      'POST',
      '/v3/organizations',
      { name: 'x', metadata: { labels: { 'cloudfoundry.org/x': 'x' } } },
      422,
      10008,
      "Metadata label key error: prefix 'cloudfoundry.org' is reserved",
    ],
    [
      'POST',
      '/v3/organizations',
      { name: 'x', metadata: { labels: { a: '-x' } } },
      422,
      10008,
      "Metadata label value error: '-x' starts or ends with invalid characters",
    ],
    ['POST', '/v3/organizations', { name: 'x', metadata: 'x' }, 422, 10008, 'Metadata must be an object'],
    [
      'POST',
      '/v3/spaces',
      { name: 's', relationships: { organization: to(organization) } },
      422,
      10008,
      'Name must be unique per organization',
    ],
    [
      'POST',
      '/v3/spaces',
      { name: 'x', relationships: { organization: { data: { id: 1 } } } },
      422,
      10008,
      /Organization must be structured like this: "organization: \{"data": \{"guid": "valid-guid"\}\}"/,
    ],
    ['POST', '/v3/apps', { name: 'web', relationships: { space: to(space) } }, 422, 10008, "App with the name 'web' already exists."],
    [
      'POST',
      '/v3/apps',
      { name: 'x', relationships: { space: to('nowhere') } },
      422,
      10008,
      'Invalid space. Ensure that the space exists and you have access to it.',
    ],
    [
      'POST',
      '/v3/apps',
      { name: 'x', relationships: { space: to(space) }, environment_variables: { VCAP_X: '1' } },
      422,
      10008,
      'Environment variables cannot start with VCAP_',
    ],
    ['PATCH', `/v3/apps/${app}/environment_variables`, { var: { PORT: '1' } }, 422, 10008, 'Environment variables cannot set PORT'],
    ['PATCH', `/v3/apps/${app}`, { name: 'new', lifecycle: { type: 'magic', data: {} } }, 422, 10008, /Lifecycle/],
    ['POST', `/v3/apps/${app}/processes/web/actions/scale`, { instances: -1 }, 422, 10008, 'Instances must be greater than or equal to 0'],
    ['POST', `/v3/apps/${app}/processes/web/actions/scale`, { instances: 'many' }, 422, 10008, 'Instances is not a number'],
    [
      'PATCH',
      `/v3/processes/${app}`,
      { health_check: { type: 'magic' } },
      422,
      10008,
      'Health check Type must be "port", "process", or "http"',
    ],
    [
      'POST',
      '/v3/roles',
      { type: 'king', relationships: { user: to('x'), space: to(space) } },
      422,
      10008,
      /Type must be one of the allowed types/,
    ],
    [
      'POST',
      '/v3/roles',
      { type: 'space_developer', relationships: { user: { data: { username: 'nobody' } }, space: to(space) } },
      422,
      10008,
      "No user exists with the username 'nobody'.",
    ],
    ['POST', '/v3/domains', { name: 'x' }, 422, 10008, /Name is too short \(minimum is 3 characters\)/],
    ['POST', '/v3/domains', { name: 'apps.test' }, 422, 10008, 'The domain name "apps.test" is already in use'],
    ['POST', '/v3/domains', { name: 'under_score.test' }, 422, 10008, /Name does not comply with RFC 1035 standards/],
    ['GET', '/v3/apps/nowhere', undefined, 404, 10010, 'App not found'],
    ['PATCH', '/v3/routes/nowhere', {}, 404, 10010, 'Route not found'],
    ['GET', '/v3/nothing', undefined, 404, 10000, 'Unknown request'],
    [
      'GET',
      '/v3/apps?colour=red',
      undefined,
      400,
      10005,
      /^The query parameter is invalid: Unknown query parameter\(s\): 'colour'. Valid parameters are: 'page', 'per_page'/,
    ],
    ['GET', '/v3/apps?page=0', undefined, 400, 10005, 'The query parameter is invalid: Page must be a positive integer'],
    ['GET', '/v3/apps?per_page=5001', undefined, 400, 10005, 'The query parameter is invalid: Per page must be between 1 and 5000'],
    ['GET', '/v3/apps?order_by=colour', undefined, 400, 10005, /Order by can only be: 'created_at', 'updated_at', 'name', 'state'/],
    ['GET', '/v3/apps?updated_ats[gte]=yesterday', undefined, 400, 10005, /invalid timestamp format/],
    ['GET', '/v3/apps?updated_ats[near]=2026-01-01T00:00:00Z', undefined, 400, 10005, /Invalid relational operator: 'near'/],
    ['GET', '/v3/apps?include=colour', undefined, 400, 10005, /Invalid included resource: 'colour'/],
    ['GET', '/v3/apps?label_selector=', undefined, 400, 10005, /label_selector/],
  ]
  for (const [method, path, body, status, code, detail] of cases) {
    const answer = await admin(method, path, body, body === undefined ? {} : json)
    t.match(
      answer,
      { status, body: { errors: [{ code, detail }] } },
      `${method} ${path} ${typeof body === 'string' ? body : JSON.stringify(body)?.slice(0, 80)}`,
    )
  }
  t.equal(harness.foundation.store.apps.get(app), before)
  t.equal(harness.foundation.store.organizations.size, 1)
})

test('nobody without a good token gets in, and the way in needs none', async (t) => {
  const harness = await Harness.start(t)
  const bare = async (path: string, authorization?: string) => {
    const response = await fetch(harness.url + path, { headers: authorization ? { authorization } : {} })
    return { status: response.status, body: (await response.json()) as any }
  }
  t.match(await bare('/v3/apps'), {
    status: 401,
    body: { errors: [{ code: 10002, title: 'CF-NotAuthenticated', detail: 'Authentication error' }] },
  })
  t.match(await bare('/v3/apps', 'bearer garbage'), {
    status: 401,
    body: { errors: [{ code: 1000, title: 'CF-InvalidAuthToken', detail: 'Invalid Auth Token' }] },
  })
  t.match(await bare('/v3/apps', 'Basic YTpi'), { status: 401 })
  t.match(await bare('/'), {
    status: 200,
    body: { links: { login: { href: harness.uaa }, cloud_controller_v3: { meta: { version: '3.195.0' } } } },
  })
  t.match(await bare('/v2/info'), { status: 200, body: { authorization_endpoint: harness.uaa } })
  t.match(await bare('/v3'), { status: 200, body: { links: { apps: { href: `${harness.url}/v3/apps` } } } })
  const { token } = await harness.login()
  t.equal((await bare('/v3/apps', `Bearer ${token}`)).status, 200, 'either case')
})

test('a huge body is refused', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  t.match(await admin('POST', '/v3/organizations', { name: 'x'.repeat(2_000_000) }), { status: 413 })
})

test('garbage on the port hurts nobody', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  for (const bytes of [
    '\0\x01\x02garbage\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'POST /v3/apps HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nshort',
  ]) {
    const socket = connect(harness.foundation.cloudController.port('http')!, '127.0.0.1')
    socket.on('error', () => {})
    let closed = false
    socket.on('close', () => (closed = true)).resume()
    socket.end(bytes, 'latin1')
    await until(() => closed, Boolean)
  }
  t.equal((await admin('GET', '/v3/apps')).status, 200)
})

test('requests are limited where it is configured, but not for those who read for the platform', async (t) => {
  const harness = await Harness.start(t, { rateLimit: { requests: 3, intervalSeconds: 60 } })
  const admin = await harness.login()
  const { organization } = await harness.target(admin)
  const user = await harness.user(admin, 'u', { organization_user: organization })
  const answers = []
  for (let n = 0; n < 4; n++) answers.push(await user('GET', '/v3/apps'))
  t.same(
    answers.map(({ status }) => status),
    [200, 200, 200, 429],
  )
  t.same(
    answers.map(({ headers }) => headers.get('x-ratelimit-remaining')),
    ['2', '1', '0', '0'],
  )
  t.ok(Number(answers[3]!.headers.get('retry-after')) > 0)
  t.match(answers[3]!.body.errors, [{ code: 10013, title: 'CF-RateLimitExceeded' }])
  t.equal((await (await harness.loginClient())('GET', '/v3/apps')).headers.get('x-ratelimit-limit'), null)
})
