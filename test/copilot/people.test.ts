import tap, { test } from 'tap'
import { createAuthority, issueCertificate } from '../../src/common/pki.ts'
import { eventually } from '../support/wait.ts'
import { ask, Copilot } from './harness.ts'
import { startCloudController, startUaa } from './platform.ts'
import { app, hello, organization, process, route, space } from './records.ts'

const uaa = await startUaa()
/** A space with a guid as Cloud Controller makes them. */
const guid = '0f5ad1c8-8b4d-4f0e-9c35-6a1d2e3f4a5b'
const cc = await startCloudController({
  dev: ['space_developer space'],
  auditor: ['space_auditor space', 'space_auditor space2'],
  supporter: ['space_supporter space'],
  manager: ['organization_manager org2'],
  named: [`space_developer ${guid}`],
})
tap.teardown(() => {
  for (const server of [uaa.server, cc.server]) server.close()
})
const api = { uaa: { url: uaa.url, issuer: 'https://uaa.test/oauth/token' }, cloudController: { url: cc.url, rolesSeconds: 0 } }
const copilot = await Copilot.start(tap, { api, encryption: { keys: [{ name: 'k', secret: 'a random text of enough letters' }] } })
await copilot.put('e1', [
  ...hello,
  organization('org2', 'other'),
  space('space2', 'org2', 'prod'),
  app('shop', 'space2'),
  process('shop-p', 'shop'),
  route('shop.mesh.test', 'shop', ['shop-p'], { space: 'space2' }),
])

const operator = { scope: ['mesh.admin'], user_name: 'op', user_id: 'op' }
const person = (name: string) => ({ scope: ['cloud_controller.read', 'cloud_controller.write'], user_name: `${name}@test`, user_id: name })
async function as(claims: object, method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown, at = copilot) {
  return ask(method, `${at.api}${path}`, body, { headers: { authorization: `bearer ${await uaa.token(claims)}` } })
}
const rule = (host: string, more: object = {}) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'canary', ...more },
  spec: { hosts: [host], http: [{ route: [{ destination: { host } }] }] },
})
const apply = (claims: object, document: unknown, namespace = 'dev', at = copilot) =>
  as(claims, 'POST', '/v1/resources/apply', { documents: [document], namespace }, at)
const one = '/v1/resources/vs/dev/canary'

test('developers write in their space, auditors read, operators manage all', async (t) => {
  t.match(await apply(person('dev'), rule('hello.mesh.test')), { status: 200, body: { items: [{ outcome: 'created' }] } })
  for (const name of ['dev', 'auditor', 'supporter']) t.equal((await as(person(name), 'GET', one)).status, 200, name)
  t.match(
    await as(person('manager'), 'GET', one),
    { status: 403, body: { code: 'MESH_NOT_IN_SPACE' } },
    'the manager of another organization',
  )
  for (const name of ['auditor', 'supporter', 'manager', 'stranger']) {
    t.match(
      await apply(person(name), rule('hello.mesh.test')),
      { status: 403, body: { code: 'MESH_NOT_IN_SPACE', path: 'metadata.namespace', message: /space_developer/ } },
      name,
    )
    t.match(await as(person(name), 'DELETE', one), { status: 403, body: { code: 'MESH_NOT_IN_SPACE' } }, name)
    t.match(await as(person(name), 'POST', `${one}/rollback`, { to: 1 }), { status: 403 }, name)
    t.match(await as(person(name), 'PUT', one, rule('hello.mesh.test')), { status: 403 }, name)
  }
  t.match(
    await apply(person('dev'), rule('shop.mesh.test'), 'prod'),
    { status: 403, body: { code: 'MESH_NOT_IN_SPACE', message: /you may not change prod;/ } },
    'called as he called it',
  )
  t.match(await apply(person('dev'), rule('hello.mesh.test', { namespace: 'mesh-system' })), {
    status: 403,
    body: { message: /mesh\.admin/ },
  })
  t.match(await apply(operator, rule('shop.mesh.test'), 'prod'), { status: 200 })
  t.match(await apply(operator, rule('hello.mesh.test', { namespace: 'mesh-system' })), { status: 200 })
  t.match(await apply({ ...person('x'), scope: ['cloud_controller.admin_read_only'] }, rule('hello.mesh.test')), { status: 403 })
})

test('a role counts as far as the scopes of the token go, whatever other tokens of its user have', async (t) => {
  const reading = { ...person('dev'), scope: ['cloud_controller.read'] }
  t.match(await as(person('dev'), 'GET', one), { status: 200 })
  t.match(await as(reading, 'GET', one), { status: 200 })
  const missing = { status: 403, body: { code: 'MESH_SCOPE_MISSING', message: /cloud_controller\.write/ } }
  t.match(await apply(reading, rule('hello.mesh.test')), missing)
  t.match(await as(reading, 'DELETE', one), missing)
  t.match(await as({ ...person('dev'), scope: ['openid'] }, 'GET', one), {
    status: 403,
    body: { code: 'MESH_SCOPE_MISSING', message: /cloud_controller\.read/ },
  })
})

test('in a suspended organization only operators change anything, and everybody reads on', async (t) => {
  const suspend = (suspended?: true) =>
    copilot.change('e1', [{ kind: 'organization', key: 'org', value: { name: 'acme', ...(suspended && { suspended }) } }])
  const rollback = { to: 1 }
  await suspend(true)
  const refused = { status: 403, body: { code: 'MESH_ORGANIZATION_SUSPENDED', message: /the organization acme is suspended/ } }
  t.match(await apply(person('dev'), rule('hello.mesh.test')), refused)
  t.match(await as(person('dev'), 'PUT', one, rule('hello.mesh.test')), refused)
  t.match(await as(person('dev'), 'DELETE', one), refused)
  t.match(await as(person('dev'), 'POST', `${one}/rollback`, rollback), refused)
  t.match(await as(person('auditor'), 'DELETE', one), { status: 403, body: { code: 'MESH_NOT_IN_SPACE' } }, 'who has no role is told that')
  t.match(await as(person('dev'), 'GET', one), { status: 200 })
  t.match(await apply(operator, rule('hello.mesh.test')), { status: 200 })
  await suspend()
  t.match(await apply(person('dev'), rule('hello.mesh.test')), { status: 200 })
})

test('sentences call a space by its name where copilot knows it and the caller may read it; what programs read keeps the guid', async (t) => {
  await copilot.change('e1', [
    space(guid, 'org', 'blue'),
    app('blue', guid),
    process('blue-p', 'blue'),
    route('blue.mesh.test', 'blue', ['blue-p'], { space: guid }),
  ])
  const own = (more: object = {}) => ({
    ...rule('blue.mesh.test'),
    spec: {
      hosts: ['blue.mesh.test'],
      http: [{ headers: { request: { set: { reason: guid } } }, route: [{ destination: { host: 'blue.mesh.test' } }], ...more }],
    },
  })
  t.match(await as(person('named'), 'GET', `/v1/resources/vs/${guid}/never`), {
    status: 404,
    body: { message: 'there is no virtualservice/acme/blue/never' },
  })
  t.match(await apply(person('named'), own(), guid), { status: 200, body: { items: [{ key: `virtualservice/${guid}/canary` }] } })
  t.match(await as(person('named'), 'GET', '/v1/trace?host=blue.mesh.test'), {
    status: 200,
    body: {
      rules: [{ rule: 'acme/blue/canary http[0]', resource: `virtualservice/${guid}/canary` }],
      why: /; acme\/blue\/canary http\[0\] sends to/,
    },
  })
  const degraded = `there is no secret ${guid}/shop`
  await copilot.as('pilot', 'PUT', '/v1/components/pilot/p1', {
    version: '1',
    ready: true,
    resources: { [`virtualservice/${guid}/canary`]: { generation: 1, programmed: true, degraded } },
  })
  const shown = (claims: object) => as(claims, 'GET', `/v1/resources/vs/${guid}/canary`)
  t.match(await shown(person('named')), {
    body: {
      metadata: { namespace: guid },
      spec: { http: [{ headers: { request: { set: { reason: guid } } } }] },
      status: { conditions: [{}, {}, { message: 'there is no secret acme/blue/shop' }], space: 'acme/blue' },
    },
  })
  t.match(
    await as(person('dev'), 'GET', `/v1/resources/vs/${guid}/never`),
    { status: 403, body: { message: new RegExp(`you may not read ${guid};`) } },
    'who may not read it',
  )
  await copilot.change('e1', [{ kind: 'space', key: guid, value: null }])
  t.match(
    await as(operator, 'GET', `/v1/resources/vs/${guid}/never`),
    { status: 404, body: { message: `there is no virtualservice/${guid}/never` } },
    'whose name is not known',
  )
  t.match(await as(operator, 'DELETE', `/v1/resources/vs/${guid}/canary`), { status: 200 })
  await copilot.change(
    'e1',
    ['route pub/blue.mesh.test', 'process blue-p', 'app blue'].map((one) => ({
      kind: one.split(' ')[0] as 'route',
      key: one.split(' ')[1]!,
      value: null,
    })),
  )
})

test('everybody sees what is in his spaces, and nothing of the others', async (t) => {
  const keys = async (claims: object) =>
    (await as(claims, 'GET', '/v1/resources')).body.items.map(({ metadata }: any) => metadata.namespace).toSorted()
  t.strictSame(await keys(person('dev')), ['space'])
  t.strictSame(await keys(person('auditor')), ['space', 'space2'])
  t.strictSame(await keys(person('manager')), ['space2'])
  t.strictSame(await keys(person('stranger')), [])
  t.strictSame(await keys(operator), ['mesh-system', 'space', 'space2'])
  const hosts = async (claims: object) => (await as(claims, 'GET', '/v1/routes')).body.items.map(({ host }: any) => host)
  t.strictSame(await hosts(person('dev')), ['hello.mesh.test'])
  t.strictSame(await hosts(person('manager')), ['shop.mesh.test'])
  const services = async (claims: object, query = '') =>
    (await as(claims, 'GET', `/v1/services${query}`)).body.items.map(({ name }: any) => name)
  t.strictSame(await services(person('auditor')), ['hello', 'shop'])
  const cursor = Buffer.from('space2 ').toString('base64url')
  t.strictSame(await services(person('auditor'), `?cursor=${cursor}`), ['shop'])
  t.strictSame(await services(person('dev'), `?cursor=${cursor}`), [], 'a cursor that he has made himself')
  const count = async (claims: object, path: string) => (await as(claims, 'GET', path)).body.items.length
  t.equal(await count(person('dev'), '/v1/apps'), 1)
  t.equal(await count(person('dev'), '/v1/instances'), 2)
  t.equal(await count(person('dev'), '/v1/services'), 1)
  t.equal(await count(person('manager'), '/v1/instances?process=hello-p'), 0)
  t.match(await as(person('manager'), 'GET', '/v1/routes/hello.mesh.test'), { status: 403 })
  t.match(await as(person('manager'), 'GET', '/v1/trace?host=hello.mesh.test'), { status: 403 })
  t.match(await as(person('dev'), 'GET', '/v1/trace?host=hello.mesh.test'), { status: 200 })
  for (const path of ['/v1/status', '/v1/components', '/v1/routers', '/v1/switches'])
    t.match(await as(person('dev'), 'GET', path), { status: 403 }, path)
  t.match(await as(person('dev'), 'PUT', '/v1/switches/freeze'), { status: 403 })
})

test('everybody sees the ejections of what his spaces own, the operator also those of his own', async (t) => {
  const ejected = (cluster: string) => ({
    cluster,
    instance: 'i-0',
    address: '10.0.0.1:62000',
    state: 'open',
    since: new Date().toISOString(),
    until: new Date().toISOString(),
    times: 1,
    cause: 'consecutive-5xx',
  })
  const clusters = [
    'pub/hello.mesh.test',
    'rule/v2/8080/route pub/hello.mesh.test',
    'pub/shop.mesh.test',
    'rule///apps space2/shop',
    'rule///entry mesh-system/api/api.test',
    'pub/gone.mesh.test',
  ]
  await copilot.as('pilot', 'PUT', '/v1/components/pilot/p1', {
    version: '1',
    ready: true,
    routers: [{ name: 'r1', ejections: clusters.map(ejected) }],
  })
  const seen = async (claims: object, query = '') =>
    (await as(claims, 'GET', `/v1/ejections${query}`)).body.items.map(
      ({ route, service, subset }: any) => `${route ?? service}${subset ? ` ${subset}` : ''}`,
    )
  t.strictSame(await seen(person('dev')), ['hello.mesh.test', 'hello.mesh.test v2'])
  t.strictSame(await seen(person('auditor')), ['hello.mesh.test', 'hello.mesh.test v2', 'shop.mesh.test', 'shop'])
  t.strictSame(await seen(person('stranger')), [])
  t.strictSame(await seen(operator), ['hello.mesh.test', 'hello.mesh.test v2', 'shop.mesh.test', 'shop', 'api.test', 'gone.mesh.test'])
  t.strictSame(await seen(operator, '?space=prod'), ['shop.mesh.test', 'shop'])
  t.match(await as(person('dev'), 'GET', '/v1/ejections'), {
    body: { items: [{ router: 'r1', app: { name: 'hello' }, index: 0, space: { name: 'dev' }, organization: { name: 'acme' } }, {}] },
  })
})

test('secrets belong to a space, too', async (t) => {
  const pair = issueCertificate(createAuthority('ca'), { commonName: 'a.test', dns: ['a.test'] })
  const content = { certificate: pair.certificate, key: pair.key }
  t.match(await as(person('auditor'), 'PUT', '/v1/secrets/dev/tls', content), { status: 403 })
  t.match(await as(person('dev'), 'PUT', '/v1/secrets/dev/tls', content), { status: 200 })
  t.match(await as(person('auditor'), 'GET', '/v1/secrets?namespace=dev'), {
    status: 200,
    body: { items: [{ name: 'tls', author: 'dev@test' }] },
  })
  t.strictSame((await as(person('manager'), 'GET', '/v1/secrets')).body.items, [])
  t.match(await as(person('manager'), 'GET', '/v1/secrets/dev/tls'), { status: 403 })
})

test('roles are asked for with the caller’s own token, page by page, of Cloud Controller alone', async (t) => {
  cc.asked = []
  const token = await uaa.token(person('auditor'))
  const { body } = await ask('GET', `${copilot.api}/v1/resources`, undefined, { headers: { authorization: `bearer ${token}` } })
  t.equal(body.items.length, 2)
  t.ok(cc.asked.length >= 2)
  for (const { authorization, users } of cc.asked) t.strictSame([authorization, users], [`bearer ${token}`, ['auditor']])
  t.notOk(copilot.output.includes(token), 'no token in the log')
})

test('every change has an audit line: who, what, before and after', async (t) => {
  await apply(person('dev'), rule('hello.mesh.test', { labels: { a: 'b' } }))
  const lines = () =>
    copilot.output
      .split('\n')
      .filter((line) => line.includes('"audit":true'))
      .map((line) => JSON.parse(line))
  await eventually(async () => lines().some(({ action }) => action === 'configured'))
  t.match(
    lines().find(({ action }) => action === 'configured'),
    {
      author: 'dev@test',
      subject: 'virtualservice/space/canary',
      before: { metadata: { labels: {} } },
      after: { metadata: { labels: { a: 'b' } } },
    },
  )
  t.match(await as(person('dev'), 'GET', `${one}/history`), { body: { items: [{ author: 'dev@test' }] } })
})

test('while Cloud Controller is away, what it said last decides; then changes are refused', async (t) => {
  const patient = await Copilot.start(t, { api: { ...api, cloudController: { url: cc.url, rolesSeconds: 0, patienceSeconds: 60 } } })
  const hasty = await Copilot.start(t, { api: { ...api, cloudController: { url: cc.url, rolesSeconds: 0, patienceSeconds: 0 } } })
  for (const at of [patient, hasty]) {
    await at.put('e1', hello)
    t.match(await apply(person('dev'), rule('hello.mesh.test'), 'dev', at), { status: 200 })
  }
  cc.status = 503
  t.teardown(() => (cc.status = undefined))
  t.match(await apply(person('dev'), rule('hello.mesh.test', { labels: { x: 'y' } }), 'dev', patient), { status: 200 })
  t.match(await apply(person('dev'), rule('hello.mesh.test', { labels: { x: 'y' } }), 'dev', hasty), {
    status: 503,
    body: { code: 'MESH_ROLES_UNKNOWN' },
  })
  t.match(await as(person('dev'), 'GET', one, undefined, hasty), { status: 200 }, 'reading goes on')
  t.match(
    await as(person('auditor'), 'GET', one, undefined, hasty),
    { status: 503, body: { code: 'MESH_ROLES_UNKNOWN' } },
    'of whom nothing is known',
  )
  t.match(await apply(operator, rule('hello.mesh.test', { labels: { x: 'z' } }), 'dev', hasty), { status: 200 }, 'operators need no roles')
  cc.status = 401
  t.match(await as(person('dev'), 'GET', one, undefined, patient), { status: 401, body: { code: 'MESH_TOKEN_INVALID' } })
})

test('a role that was taken away is gone as soon as roles are read again', async (t) => {
  t.match(await apply(person('dev'), rule('hello.mesh.test', { labels: { n: '1' } })), { status: 200 })
  cc.roles['dev'] = []
  t.teardown(() => (cc.roles['dev'] = ['space_developer space']))
  t.match(await apply(person('dev'), rule('hello.mesh.test', { labels: { n: '2' } })), { status: 403 })
})

test('a space is named by guid, by name, or with its organization', async (t) => {
  await copilot.change('e1', [space('space3', 'org2', 'dev')])
  t.match(await apply(operator, rule('hello.mesh.test'), 'dev'), { status: 409, body: { code: 'MESH_SPACE_AMBIGUOUS' } })
  t.match(await apply(operator, rule('hello.mesh.test'), 'acme/dev'), { status: 200 })
  t.match(await apply(person('dev'), rule('hello.mesh.test'), 'dev'), { status: 200 }, 'of two spaces of that name he may read one')
  t.match(await as(operator, 'GET', '/v1/resources/vs/acme%2Fdev/canary'), { status: 200 })
  t.match(await apply(operator, rule('hello.mesh.test'), 'nowhere'), { status: 404 })
})

test('where to log in is told to everybody', async (t) => {
  t.match(await copilot.get('/v1/info'), { status: 200, body: { login: 'https://uaa.test', version: String } })
})
