import tap, { test } from 'tap'
import { ask, Copilot } from './harness.ts'
import { app, hello, process, route, space } from './records.ts'

const copilot = await Copilot.start(tap)
await copilot.put('e1', [
  ...hello,
  space('other', 'org', 'other'),
  app('theirs', 'other', 'theirs', { version: 'v1' }),
  process('theirs-p', 'theirs'),
  route('theirs.mesh.test', 'theirs', ['theirs-p'], { space: 'other' }),
])

const serviceEntry = (host: string) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name: 'entry' },
  spec: { hosts: [host], resolution: 'DNS', ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] },
})
const subsetOf = (version: string) => ({ name: version, labels: { version } })
const destinationRule = (name: string, host: string, ...versions: string[]) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name },
  spec: { host, subsets: versions.map(subsetOf) },
})
const sendingTo = (...destinations: object[]) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'sending' },
  spec: { hosts: ['hello.mesh.test'], http: [{ route: destinations.map((destination) => ({ destination, weight: 1 })) }] },
})
const apply = (namespace: string, ...documents: object[]) => ask('POST', `${copilot.api}/v1/resources/apply`, { documents, namespace })
const remove = (path: string) => ask('DELETE', `${copilot.api}/v1/resources/${path}`)
/** What is warned of, as `CODE PATH: MESSAGE`, now. */
const warnings = async (path: string) =>
  (await copilot.get(`/v1/resources/${path}`)).body.status.warnings.map(
    ({ code, path, message }: Record<string, string>) => `${code} ${path}: ${message}`,
  )
const trace = async () => (await copilot.get('/v1/trace?host=hello.mesh.test')).body

test('the subsets of a service are those of all rules that name it, by its host or by its apps', async (t) => {
  await apply('dev', destinationRule('by-name', 'hello', 'v1'), sendingTo({ host: 'hello.mesh.test', subset: 'v1' }))
  t.strictSame(await warnings('vs/dev/sending'), [])
  t.match(await trace(), { status: undefined, why: /sends to hello\.mesh\.test \(subset v1\)$/ })
  await apply('dev', destinationRule('by-host', 'hello.mesh.test'))
  t.match(await warnings('dr/dev/by-name'), [/^MESH_HOST_MERGED spec\.host: by-host is for hello too; they are merged/])
  t.match(await warnings('dr/dev/by-host'), [/^MESH_HOST_MERGED spec\.host: by-name is for hello\.mesh\.test too/])
  // A rule for the host says nothing of the apps where they are called by their name.
  await remove('dr/dev/by-name')
  await apply('dev', destinationRule('by-host', 'hello.mesh.test', 'v1'), sendingTo({ host: 'hello', subset: 'v1' }))
  t.match(await warnings('vs/dev/sending'), [/^MESH_SUBSET_UNKNOWN /])
  await remove('dr/dev/by-host')
})

test('a rule for what lies beneath a wildcard is warned of where nothing does', async (t) => {
  await apply('dev', destinationRule('beneath', '*.mesh.test', 'v1'), sendingTo({ host: 'hello.mesh.test', subset: 'v1' }))
  t.strictSame(await warnings('dr/dev/beneath'), [])
  t.strictSame(await warnings('vs/dev/sending'), [])
  await apply('dev', destinationRule('beneath', '*.nowhere.test', 'v1'))
  t.match(await warnings('dr/dev/beneath'), [
    /^MESH_SERVICE_UNKNOWN spec\.host: neither a route nor a ServiceEntry here is \*\.nowhere\.test/,
  ])
  await remove('dr/dev/beneath')
})

test('a subset that selects nothing, and apps that do not run, are told where they are sent to', async (t) => {
  await apply('dev', destinationRule('hello', 'hello', 'v1', 'v2'), sendingTo({ host: 'hello', subset: 'v2' }))
  t.match(await warnings('vs/dev/sending'), [
    /^MESH_SUBSET_EMPTY spec\.http\[0\]\.route\[0\]\.destination\.subset: no app of hello has version=v2, so v2 selects nothing; there are version=v1\. Until one has, requests are answered 503/,
  ])
  t.match(await trace(), { status: 503, why: /\(subset v2\): no app of hello has version=v2/ })
  await apply('dev', sendingTo({ host: 'hello', subset: 'v2' }, { host: 'hello', subset: 'v1' }))
  t.match(
    await trace(),
    { status: undefined, why: /v2\) 50 %, hello \(subset v1\) 50 %; 50 % of it is answered 503: no app of hello has version=v2/ },
    'the other one is there',
  )
  await copilot.change('e1', [
    { kind: 'instance', key: 'i-0', value: null },
    { kind: 'instance', key: 'i-1', value: null },
  ])
  await apply('dev', sendingTo({ host: 'hello', subset: 'v1' }))
  t.match(await trace(), { status: 503, why: /no instance of hello \(subset v1\) is running/ })
  await copilot.change('e1', hello)
  t.match(await trace(), { status: undefined })
  await remove('dr/dev/hello')
})

test("another space's service is refused, and one that goes to another space leaves the rule, which says so", async (t) => {
  t.match(await apply('dev', destinationRule('foreign', 'theirs.mesh.test', 'v1')), {
    status: 403,
    body: { code: 'MESH_HOST_NOT_OWNED', path: 'spec.host', message: /theirs\.mesh\.test is a route of another space/ },
  })
  t.match(await apply('other', destinationRule('own', 'theirs.mesh.test', 'v1')), { status: 200 })
  // Who sends there goes by what the other space says of its service.
  await apply('dev', sendingTo({ host: 'theirs.mesh.test', subset: 'v1' }))
  t.strictSame(await warnings('vs/dev/sending'), [])
  await apply('dev', sendingTo({ host: 'theirs.mesh.test', subset: 'v7' }))
  t.match(await warnings('vs/dev/sending'), [/^MESH_SUBSET_UNKNOWN [^]*; it has v1\./])
  const degraded = async () => (await copilot.get('/v1/resources/dr/other/own')).body.status.conditions[2]
  t.match(await degraded(), { status: 'False' })
  await copilot.change('e1', [route('theirs.mesh.test', 'theirs', ['theirs-p'])])
  t.match(await degraded(), {
    status: 'True',
    reason: 'HostMoved',
    message: /spec\.host: theirs\.mesh\.test is a route of another space now/,
  })
  await copilot.change('e1', [route('theirs.mesh.test', 'theirs', ['theirs-p'], { space: 'other' })])
  await remove('dr/other/own')
})

test("which rule holds is said of the operator's and a space's own", async (t) => {
  await apply('mesh-system', destinationRule('all', 'hello.mesh.test', 'v1'))
  t.strictSame(await warnings('dr/mesh-system/all'), [])
  await apply('dev', destinationRule('own', 'hello', 'v1'))
  t.strictSame(await warnings('dr/dev/own'), [])
  t.match(await warnings('dr/mesh-system/all'), [/^MESH_HOST_MERGED spec\.host: space\/own holds for hello\.mesh\.test in its place/])
  await apply('mesh-system', serviceEntry('pay.example.com'))
  await apply('dev', { ...destinationRule('pay', 'pay.example.com'), spec: { host: 'pay.example.com' } })
  t.match(await warnings('dr/dev/pay'), [/^MESH_HOST_NOT_OWNED spec\.host: pay\.example\.com is a ServiceEntry of the operator's/])
  const spec = { hosts: ['pay.example.com'], http: [{ route: [{ destination: { host: 'pay.example.com' } }] }] }
  await apply('dev', { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'pay' }, spec })
  t.match(await warnings('vs/dev/pay'), [/^MESH_HOST_NOT_OWNED spec\.hosts\[0\]: pay\.example\.com is a ServiceEntry of the operator's/])
})

test("of several ServiceEntries for one host apps meet the operator's, else their own space's, and none of a space that is gone", async (t) => {
  const met = async (from?: string) =>
    (await copilot.get(`/v1/trace?host=api.example.com&exposure=int${from === undefined ? '' : `&from=${from}`}`)).body
  t.match(await apply('other', serviceEntry('api.example.com')), { body: { items: [{ warnings: [] }] } })
  t.match(await met('dev'), { status: 404, why: /neither the operator nor the space dev names it in a ServiceEntry/ })
  t.match(await apply('dev', serviceEntry('api.example.com')), { body: { items: [{ warnings: [] }] } })
  t.match(await met(), { rules: [{ resource: 'serviceentry/other/entry' }] }, 'whoever shows no certificate meets the oldest')
  t.match(await met('other'), { rules: [{ resource: 'serviceentry/other/entry' }] })
  t.match(await met('dev'), { rules: [{ resource: 'serviceentry/space/entry' }] })
  t.match(await met('nowhere'), { code: 'MESH_NAME_UNKNOWN' })
  await copilot.change('e1', [{ kind: 'space', key: 'other', value: null }])
  t.match(await met(), { rules: [{ resource: 'serviceentry/space/entry' }] })
  await copilot.change('e1', [space('other', 'org', 'other')])
  await apply('mesh-system', serviceEntry('api.example.com'))
  t.match(await warnings('se/other/entry'), [
    /^MESH_HOST_MERGED spec\.hosts\[0\]: the operator's ServiceEntry names api\.example\.com, too/,
  ])
  for (const from of [undefined, 'dev', 'other']) t.match(await met(from), { rules: [{ resource: 'serviceentry/mesh-system/entry' }] })
  await apply('dev', { ...serviceEntry('api.example.com'), metadata: { name: 'second' } })
  t.match(await warnings('se/dev/second'), [/^MESH_HOST_MERGED /])
})
