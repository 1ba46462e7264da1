import tap, { test } from 'tap'
import { ask, Copilot } from './harness.ts'
import { hello, organization, route, space } from './records.ts'

const copilot = await Copilot.start(tap)
await copilot.put('e1', [...hello, organization('org2'), space('space2', 'org2', 'foreign'), route('foreign.mesh.test', 'other', [], { space: 'space2' })])

const virtualService = (host: string, weight = 100, more: object = {}): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'canary', labels: { team: 'a' }, ...more },
  spec: { hosts: [host], http: [{ route: [{ destination: { host: 'hello' }, weight }] }] },
})
const apply = (...documents: unknown[]) => ask('POST', `${copilot.api}/v1/resources/apply`, { documents, namespace: 'dev' })

test('a resource is created, configured, unchanged, shown, rolled back and deleted', async (t) => {
  t.match(await apply(virtualService('hello.mesh.test')), { status: 200, body: { items: [{ key: 'virtualservice/space/canary', outcome: 'created' }] } })
  t.match(await apply(virtualService('hello.mesh.test')), { body: { items: [{ outcome: 'unchanged' }] } })
  t.match(await apply(virtualService('hello.mesh.test', 50)), { body: { items: [{ outcome: 'configured' }] } })
  const one = '/v1/resources/vs/dev/canary'
  t.match((await copilot.get(one)).body, { metadata: { generation: 2, resourceVersion: '2' }, status: { conditions: [{ type: 'Accepted', status: 'True' }, { type: 'Programmed', status: 'Unknown' }, {}] } })
  await copilot.as('pilot', 'PUT', '/v1/components/pilot/p1', { version: '1', ready: true, resources: { 'virtualservice/space/canary': { generation: 2, programmed: true } } })
  t.match((await copilot.get(one)).body.status.conditions[1], { type: 'Programmed', status: 'True' })
  t.match((await ask('POST', `${copilot.api}${one}/rollback`, { to: 1 })).body, { outcome: 'configured' })
  t.match((await copilot.get(`${one}/history`)).body.items.map(({ generation }: { generation: number }) => generation), [3, 2, 1])
  t.match((await copilot.snapshot()).records.get('resource virtualservice/space/canary') ?? [...(await copilot.snapshot()).records.keys()], /100|resource/)
  t.equal((await copilot.get('/v1/resources?selector=team=a&kind=vs')).body.items.length, 1)
  t.equal((await copilot.get('/v1/resources?selector=team!=a')).body.items.length, 0)
  t.match(await apply(virtualService('hello.mesh.test', 7, { resourceVersion: '1' })), { status: 409, body: { code: 'MESH_VERSION_CONFLICT' } })
  t.match((await ask('DELETE', `${copilot.api}${one}`)).body, { outcome: 'deleted' })
  t.match(await copilot.get(one), { status: 404, body: { code: 'MESH_RESOURCE_UNKNOWN' } })
})

test('all documents or none, every error at once, with its path', async (t) => {
  const wrong = { ...virtualService('hello.mesh.test', -1), metadata: { name: 'wrong' } } as any
  wrong.spec.http[0].timeout = '5'
  const { status, body } = await apply(virtualService('hello.mesh.test', 1, { name: 'right' }), wrong)
  t.equal(status, 422)
  t.match(body.problems.map(({ path }: { path: string }) => path).sort(), ['spec.http[0].route[0].weight', 'spec.http[0].timeout'])
  t.equal((await copilot.get('/v1/resources')).body.items.length, 0)
})

test("another space's host is refused, the operator's resources reach all", async (t) => {
  t.match(await apply(virtualService('foreign.mesh.test')), { status: 403, body: { code: 'MESH_HOST_NOT_OWNED', path: 'spec.hosts[0]' } })
  t.match(await apply(virtualService('foreign.mesh.test', 100, { namespace: 'mesh-system' })), { status: 200 })
})

test('a source cannot write resources', async (t) => {
  t.match(await copilot.change('e1', [{ kind: 'resource', key: 'virtualservice/space/x', value: null }]), { status: 422 })
})
