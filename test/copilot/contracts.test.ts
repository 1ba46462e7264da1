import { readFileSync } from 'node:fs'
import { connect as connectPlain, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import tap, { test } from 'tap'
import { request } from 'undici'
import { Copilot, ndjson } from './harness.ts'
import { app, hello, instance, route } from './records.ts'

const copilot = await Copilot.start(tap, { limits: { lineBytes: 2000, records: 50, bodyBytes: 20_000 } })

test('what a source sends whole is what a watcher gets, and what it reads back', async (t) => {
  const { status, body } = await copilot.put('e1', hello)
  t.equal(status, 200, JSON.stringify(body))
  t.match(body, { added: hello.length, changed: 0, removed: 0 })

  const { records, revision } = await copilot.snapshot()
  t.equal(revision, body.revision)
  t.strictSame([...records.keys()].sort(), hello.map(({ kind, key }) => `${kind} ${key}`).sort())

  const own = await copilot.as('route-syncer', 'GET', '/v1/sources/cf/records')
  const lines = own.body
    .trim()
    .split('\n')
    .map((line: string) => JSON.parse(line))
  t.strictSame(lines.pop(), { commit: { count: hello.length } })
  t.strictSame(lines.map(({ key }: { key: string }) => key).sort(), hello.map(({ key }) => key).sort())
  t.equal((await copilot.as('route-syncer', 'GET', '/v1/sources/nobody/records')).body, '{"commit":{"count":0}}\n')
})

test('the same again makes no revision, whatever the order of its fields', async (t) => {
  const before = (await copilot.put('e1', hello)).body.revision
  const turned = hello.map(({ kind, key, value }) => ({ value: Object.fromEntries(Object.entries(value!).reverse()), key, kind }))
  t.strictSame((await copilot.put('e1', turned)).body, { revision: before, added: 0, changed: 0, removed: 0 })
  t.strictSame((await copilot.change('e1', turned)).body, { revision: before })
})

test('a change reaches a watcher under its own revision', async (t) => {
  const { body } = await copilot.put('e1', hello)
  const watch = await copilot.watch()
  await watch.untilSynced()
  const changed = await copilot.change('e1', [app('hello-guid', 'space', 'hi')])
  t.equal(changed.body.revision, body.revision + 1)
  t.match(await watch.next(), { revision: body.revision + 1, changes: [{ kind: 'app', key: 'hello-guid', value: { name: 'hi' } }] })
  watch.close()
})

test('a removal in a change, and one by absence from a full sync', async (t) => {
  await copilot.put('e1', hello)
  await copilot.change('e1', [{ kind: 'instance', key: 'i-1', value: null }])
  t.notOk((await copilot.snapshot()).records.has('instance i-1'))
  const { body } = await copilot.put('e1', hello.slice(0, -2))
  t.match(body, { removed: 2 - 1 })
})

const bad: [what: string, lines: string[], status: number, says: RegExp][] = [
  ['no JSON', ['{'], 422, /^line 1 is not JSON/],
  ['no object', ['[]'], 422, /^line 1 must be an object/],
  ['an unknown kind', ['{"kind":"pod","key":"a","value":{}}'], 422, /^line 1, kind: must be one of organization, space/],
  ['no key', ['{"kind":"app","value":{}}'], 422, /^line 1, key: /],
  [
    'a wrong type, on a later line',
    [JSON.stringify(hello[0]), '', '{"kind":"organization","key":"o","value":{"name":1}}'],
    422,
    /^line 3, value.name: must be string/,
  ],
  [
    'an unknown field',
    ['{"kind":"organization","key":"o","value":{"name":"a","colour":1}}'],
    422,
    /^line 1, value.colour: is not a known field/,
  ],
  [
    'an unknown field beside',
    ['{"kind":"organization","key":"o","value":{"name":"a"},"more":1}'],
    422,
    /^line 1, more: is not a known field/,
  ],
  ['a null value', ['{"kind":"organization","key":"o","value":null}'], 422, /^line 1, value: must be object/],
  ['a host in upper case', [JSON.stringify(route('A.mesh', 'a', []))], 422, /^line 1, value.host: must match pattern/],
  [
    'a key that is not what the value says',
    [JSON.stringify({ ...route('a.mesh', 'a', []), key: 'pub/b.mesh' })],
    422,
    /^line 1, key: must be pub\/a.mesh/,
  ],
  ['no commit', [JSON.stringify(hello[0])], 422, /ended without its commit line/],
  ['a wrong count', [JSON.stringify(hello[0]), '{"commit":{"count":2}}'], 422, /counts 2 lines, 1 came/],
  ['a wrong commit', ['{"commit":{"count":"many"}}'], 422, /commit.count: must be integer/],
  ['more after the commit', ['{"commit":{"count":0}}', JSON.stringify(hello[0])], 422, /^line 2 nothing may follow/],
  [
    'a line that is too long',
    [`{"kind":"organization","key":"o","value":{"name":"${'x'.repeat(3000)}"}}`],
    413,
    /line 1 is longer than 2000 bytes/,
  ],
  ['too many records', Array.from({ length: 60 }, (_, n) => JSON.stringify(app(`a${n}`))), 413, /at most 50 records/],
]
for (const [what, lines, status, says] of bad) {
  test(`a full sync with ${what} is refused and changes nothing`, async (t) => {
    const { body } = await copilot.put('e1', hello)
    const refused = await copilot.send(`${lines.join('\n')}\n`)
    t.equal(refused.status, status, JSON.stringify(refused.body))
    t.match(refused.body.message, says)
    t.equal((await copilot.snapshot()).revision, body.revision)
    t.equal((await copilot.change('e1', [])).status, 200, 'and the epoch is still known')
  })
}

test('a refused change names every fault, and none of it is applied', async (t) => {
  const { body } = await copilot.put('e1', hello)
  const refused = await copilot.change('e1', [
    app('fine'),
    { kind: 'process', key: 'p', value: { app: '', type: 'web', instances: -1 } },
    { kind: 'pod', key: 'x', value: null },
  ])
  t.equal(refused.status, 422)
  t.match(refused.body.problems, [{ path: 'changes[2].kind' }], 'the envelope first')
  const records = await copilot.change('e1', [app('fine'), { kind: 'process', key: 'p', value: { app: '', type: 'web', instances: -1 } }])
  t.strictSame(
    records.body.problems.map(({ path }: { path: string }) => path),
    ['changes[1].value.app', 'changes[1].value.instances'],
  )
  t.equal(records.body.path, 'changes[1].value.app')
  t.equal((await copilot.snapshot()).revision, body.revision)
})

test('bodies of other kinds are refused with a sentence', async (t) => {
  const to = '/v1/sources/cf/changes?epoch=e1'
  const send = async (body: string, type: string): Promise<unknown> => {
    const answer = await request(`${copilot.url}${to}`, {
      method: 'POST',
      dispatcher: copilot.agent('route-syncer'),
      headers: { 'content-type': type },
      body,
    })
    return [answer.statusCode, ((await answer.body.json()) as { code: string }).code]
  }
  t.strictSame(await send('{', 'application/json'), [400, 'MESH_BODY_UNREADABLE'])
  t.strictSame(await send('a=b', 'application/x-www-form-urlencoded'), [415, 'MESH_BODY_TYPE'])
  t.strictSame(await send(JSON.stringify({ changes: 'x'.repeat(30_000) }), 'application/json'), [413, 'MESH_BODY_TOO_LARGE'])
  t.match(await copilot.as('route-syncer', 'POST', to, { changes: [], more: 1 }), { status: 422, body: { path: 'more' } })
  t.match(await copilot.as('route-syncer', 'POST', '/v1/sources/cf/changes', { changes: [] }), { status: 422, body: { path: 'epoch' } })
  t.match(await copilot.as('route-syncer', 'GET', '/v1/nothing'), { status: 404, body: { code: 'MESH_PATH_UNKNOWN' } })
})

test('a client that goes away in the middle of a full sync changes nothing', async (t) => {
  const { body } = await copilot.put('e1', hello)
  const stream = new Readable({ read() {} })
  const sending = copilot.send(stream)
  stream.push(`${JSON.stringify(app('half'))}\n`)
  setImmediate(() => stream.destroy(new Error('gone')))
  await t.rejects(sending)
  t.equal((await copilot.snapshot()).revision, body.revision)
  t.equal((await copilot.change('e1', [])).status, 200)
})

test('of two syncers the later full sync wins, and the other is told so', async (t) => {
  t.match(await copilot.change('old', []), { status: 409, body: { code: 'MESH_EPOCH_UNKNOWN' } })
  await copilot.put('old', hello, 'twice')
  await copilot.put('new', hello.slice(0, -1), 'twice')
  t.match(await copilot.change('old', [instance('late', 'hello-p')], 'twice'), { status: 409, body: { code: 'MESH_EPOCH_SUPERSEDED' } })
  t.match(await copilot.put('old', hello, 'twice'), { status: 409, body: { code: 'MESH_EPOCH_SUPERSEDED' } })
  t.equal((await copilot.change('new', [], 'twice')).status, 200)
})

test('a full sync that began before another took over does not undo it', async (t) => {
  await copilot.put('first', hello, 'race')
  const slow = new Readable({ read() {} })
  const sending = copilot.send(slow, 'first', 'race')
  slow.push(`${JSON.stringify(app('slow'))}\n`)
  await copilot.put('second', hello, 'race')
  slow.push(`${JSON.stringify({ commit: { count: 1 } })}\n`)
  slow.push(null)
  t.match(await sending, { status: 409, body: { code: 'MESH_EPOCH_SUPERSEDED' } })
})

test('a component may do what its certificate is for, and nothing else', async (t) => {
  const report = { version: '1', ready: true }
  for (const [who, method, path, body] of [
    ['pilot', 'POST', '/v1/sources/cf/changes?epoch=e1', { changes: [] }],
    ['pilot', 'GET', '/v1/sources/cf/records', undefined],
    ['route-syncer', 'GET', '/v1/watch', undefined],
    ['istio-router', 'GET', '/v1/watch', undefined],
    ['istio-router', 'PUT', '/v1/components/pilot/p', report],
    ['gorouter', 'PUT', '/v1/components/pilot/p', report],
  ] as const) {
    t.match(
      await copilot.as(who, method, path, body),
      { status: 403, body: { code: 'MESH_CERTIFICATE_REFUSED' } },
      `${who} ${method} ${path}`,
    )
  }
  for (const kind of ['route-syncer', 'pilot', 'istio-router'])
    t.match(await copilot.as(kind, 'PUT', `/v1/components/${kind}/x`, report), { status: 200, body: { orders: {} } })
  t.match(await copilot.as('pilot', 'PUT', '/v1/components/pilot/x', { version: 1, ready: 'yes' }), { status: 422 })
})

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => {}).on('close', () => resolve())
  })

test('who shows no certificate of ours gets no answer', async (t) => {
  const { ca } = copilot.tls('reader')
  const attempt = async (options: object): Promise<string> => {
    const socket = connect({ port: Number(new URL(copilot.url).port), host: '127.0.0.1', ca: readFileSync(ca), ...options })
    socket.on('secureConnect', () => socket.write('GET /v1/watch HTTP/1.1\r\nhost: x\r\n\r\n'))
    let answer = ''
    socket.on('data', (data) => (answer += data))
    await closed(socket)
    return answer
  }
  t.equal(await attempt({}), '')
  const foreign = Copilot.strangersCertificate()
  t.equal(await attempt({ cert: foreign.certificate, key: foreign.key }), '')
})

test('garbage on the port hurts nobody', async (t) => {
  const socket = connectPlain(Number(new URL(copilot.url).port), '127.0.0.1')
  socket.write(Buffer.alloc(100_000, 0xa5))
  await closed(socket)
  t.equal((await copilot.get('/v1/status')).status, 200)
})

test('a stream in odd pieces is read as one', async (t) => {
  const all = await text(ndjson(hello))
  const pieces = Array.from({ length: Math.ceil(all.length / 7) }, (_, n) => all.slice(n * 7, n * 7 + 7))
  t.match(await copilot.send(Readable.from(pieces), 'odd', 'odd'), { status: 200 })
  t.match(await copilot.send(all.trimEnd(), 'odd2', 'odd'), { status: 200 }, 'also without a newline at its end')
})
