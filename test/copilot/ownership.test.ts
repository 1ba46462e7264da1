import tap, { test } from 'tap'
import { createAuthority, issueCertificate } from '../../src/common/pki.ts'
import { eventually } from '../support/wait.ts'
import { ask, Copilot } from './harness.ts'
import { app, hello, organization, process, route, space } from './records.ts'

const copilot = await Copilot.start(tap, { encryption: { keys: [{ name: 'k', secret: 'a random text of enough letters' }] } })
await copilot.put('e1', [...hello, space('neighbour', 'org', 'neighbour'), app('guest', 'neighbour'), process('guest-p', 'guest')])

const rule = (name: string, host: string, destination = host, more: object = {}) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name, ...more },
  spec: { hosts: [host], http: [{ route: [{ destination: { host: destination } }] }] },
})
const apply = (document: object, namespace = 'dev') =>
  ask('POST', `${copilot.api}/v1/resources/apply`, { documents: [document], namespace })
const stood = async (path: string) => {
  const { status, body } = await copilot.get(`/v1/resources/${path}`)
  const [, , degraded] = body.status?.conditions ?? []
  return {
    status,
    degraded: degraded?.status,
    reason: degraded?.reason,
    warnings: (body.status?.warnings ?? []).map(({ code }: { code: string }) => code).toSorted(),
  }
}
const remove = (path: string) => ask('DELETE', `${copilot.api}/v1/resources/${path}`)

test('a route that is shared into a space stays its owner’s', async (t) => {
  // Cloud Controller lets the other space map its apps; the record keeps the owner.
  await copilot.change('e1', [route('shared.mesh.test', 'guest', ['guest-p'])])
  t.match(await apply(rule('theirs', 'shared.mesh.test'), 'neighbour'), {
    status: 403,
    body: { code: 'MESH_HOST_NOT_OWNED', path: 'spec.hosts[0]' },
  })
  t.match(await apply(rule('theirs', 'guest'), 'neighbour'), { status: 200 }, 'by the app’s name it reaches no route of another space')
  t.match(await stood('vs/neighbour/theirs'), { status: 200 })
  t.match(await apply(rule('ours', 'shared.mesh.test')), { status: 200 })
  for (const path of ['vs/dev/ours', 'vs/neighbour/theirs']) await remove(path)
})

test('rules of a host and path of which a part is another space’s reach their own part', async (t) => {
  await copilot.change('e1', [
    route('parted.mesh.test', 'hello-guid', ['hello-p']),
    route('parted.mesh.test', 'guest', ['guest-p'], { path: '/guest', space: 'neighbour' }),
  ])
  t.match(await apply(rule('part', 'parted.mesh.test')), { status: 200 })
  t.match(await apply(rule('part', 'parted.mesh.test'), 'neighbour'), { status: 200 })
  await copilot.change('e1', [{ kind: 'route', key: 'pub/parted.mesh.test/guest', value: null }])
  t.match(await stood('vs/neighbour/part'), { degraded: 'True', reason: 'HostMoved' })
  for (const path of ['vs/dev/part', 'vs/neighbour/part']) await remove(path)
  await copilot.change('e1', [{ kind: 'route', key: 'pub/parted.mesh.test', value: null }])
})

test('a rule follows what apps, spaces and organizations are called, and waits for what is gone', async (t) => {
  t.match(await apply(rule('named', 'hello.mesh.test', 'hello.dev.acme')), { status: 200 })
  const after = async (...changes: Parameters<typeof copilot.change>[1]) => {
    await copilot.change('e1', changes)
    return stood('vs/dev/named')
  }
  t.match(await stood('vs/dev/named'), { degraded: 'False', warnings: [] })
  t.match(
    await after(app('hello-guid', 'space', 'renamed', { version: 'v1' })),
    { degraded: 'False', warnings: ['MESH_SERVICE_UNKNOWN'] },
    'an app has another name',
  )
  t.match(await after(app('hello-guid', 'space', 'hello', { version: 'v1' })), { warnings: [] })
  t.match(
    await after(organization('org', 'other')),
    { degraded: 'False', warnings: ['MESH_SERVICE_UNKNOWN'] },
    'an organization has another name',
  )
  t.match(await after(organization('org', 'acme')), { warnings: [] })
  t.match(
    await after(
      { kind: 'route', key: 'pub/hello.mesh.test', value: null },
      { kind: 'process', key: 'hello-p', value: null },
      { kind: 'app', key: 'hello-guid', value: null },
    ),
    { degraded: 'False', warnings: ['MESH_HOST_UNKNOWN', 'MESH_SERVICE_UNKNOWN'] },
    'app and route are gone',
  )
  t.match(await after(...hello), { warnings: [] }, 'they come back')
  t.match(
    await after(space('space', 'elsewhere', 'dev'), organization('elsewhere')),
    { status: 200, degraded: 'False', warnings: ['MESH_SERVICE_UNKNOWN'] },
    'a space is of another organization',
  )
  await copilot.change('e1', [space('space', 'org', 'dev')])
  await remove('vs/dev/named')
})

test('a name reaches the routes that send to its apps alone, and a warning says so where none does', async (t) => {
  t.match(await apply(rule('named', 'hello')), { status: 200, body: { items: [{ warnings: [] }] } })
  const { value } = hello.at(-1)! as ReturnType<typeof route>
  await copilot.change('e1', [
    {
      kind: 'route',
      key: 'pub/hello.mesh.test',
      value: { ...value!, destinations: [...value!.destinations, { ...value!.destinations[0]!, app: 'guest' }] },
    },
  ])
  t.match((await copilot.get('/v1/resources/vs/dev/named')).body.status.warnings, [
    { code: 'MESH_HOST_UNKNOWN', message: /the routes of the apps that hello names \(hello\.mesh\.test\) send to other apps, too/ },
  ])
  await copilot.change('e1', hello)
  t.match(await stood('vs/dev/named'), { warnings: [] })
  await remove('vs/dev/named')
})

test('when an organization goes with its spaces their rules say so, and come back with them', async (t) => {
  t.match(await apply(rule('left', 'hello.mesh.test')), { status: 200 })
  const gone = [...hello].reverse().map(({ kind, key }) => ({ kind, key, value: null })) as Parameters<typeof copilot.change>[1]
  await copilot.change('e1', gone)
  t.match((await copilot.get('/v1/resources')).body.items.find(({ metadata }: any) => metadata.name === 'left').status.conditions[2], {
    status: 'True',
    reason: 'SpaceGone',
  })
  t.match(await copilot.get('/v1/resources/vs/space/left'), { status: 200 }, 'by the guid of the space, which nothing else knows any more')
  t.match(await copilot.get('/v1/resources/vs/dev/left'), { status: 404, body: { code: 'MESH_NAME_UNKNOWN' } })
  t.match(await remove('vs/space/left?dryRun=true'), { status: 200, body: { outcome: 'deleted' } })
  await copilot.change('e1', [...hello])
  t.match(await stood('vs/dev/left'), { degraded: 'False', warnings: [] })
  await remove('vs/dev/left')
})

test('each kind of change has one audit line with its author, before and after, and nothing that changes nothing has one', async (t) => {
  // Of this test alone: those of earlier ones may come late.
  const lines = () =>
    copilot.output
      .split('\n')
      .filter((line) => /"audit":true.*(audited|space\/space"|configuration")/.test(line))
      .map((line) => JSON.parse(line))
  const { certificate, key } = issueCertificate(createAuthority('ca'), { commonName: 'a.test', dns: ['a.test'] })
  const call = (method: 'PUT' | 'POST' | 'DELETE', path: string, body?: object) => ask(method, `${copilot.api}${path}`, body)
  await apply(rule('audited', 'hello.mesh.test'))
  await apply(rule('audited', 'hello.mesh.test'))
  await apply(rule('audited', 'hello.mesh.test', 'hello', { labels: { n: '2' } }))
  await call('POST', '/v1/resources/vs/dev/audited/rollback', { to: 1 })
  await call('PUT', '/v1/secrets/dev/audited', { certificate, key })
  await call('PUT', '/v1/secrets/dev/audited', { certificate, key })
  await call('DELETE', '/v1/secrets/dev/audited')
  await call('PUT', '/v1/switches/ignored/dev')
  await call('DELETE', '/v1/switches/ignored/dev')
  await call('PUT', '/v1/switches/freeze')
  await call('PUT', '/v1/switches/freeze')
  await apply(rule('audited', 'hello.mesh.test', 'hello', { labels: { n: '3' } }))
  await call('DELETE', '/v1/switches/freeze')
  await remove('vs/dev/audited')
  await eventually(() => lines().length >= 10)
  t.strictSame(
    lines().map(({ action, subject }) => `${action} ${subject}`),
    [
      'created virtualservice/space/audited',
      'configured virtualservice/space/audited',
      'configured virtualservice/space/audited',
      'created secret/space/audited',
      'deleted secret/space/audited',
      'ignored space/space',
      'heeded space/space',
      'frozen configuration',
      'unfrozen configuration',
      'deleted virtualservice/space/audited',
    ],
  )
  const [created, configured, rolledBack, , , , , , , deleted] = lines()
  t.match(
    [created, configured, rolledBack, deleted],
    [
      { author: 'operator', before: undefined, after: { spec: { hosts: ['hello.mesh.test'] } } },
      { before: { metadata: { labels: {} } }, after: { metadata: { labels: { n: '2' } } } },
      { before: { metadata: { labels: { n: '2' } } }, after: { metadata: { labels: {} } } },
      { before: { spec: {} }, after: undefined },
    ],
  )
  t.notOk(copilot.output.includes('PRIVATE KEY'))
})
