import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import tap, { test } from 'tap'
import { Copilot } from '../copilot/harness.ts'
import { createAuthority, issueCertificate } from '../../src/common/pki.ts'
import { hello } from '../copilot/records.ts'
import { explained } from '../../src/cli/commands/explain.ts'
import { specs, type Field } from '../../src/mesh/istio/fields.ts'
import { resourceKinds } from '../../src/mesh/istio/kinds.ts'
import { eventually } from '../support/wait.ts'
import { meshctl as run, root } from './meshctl.ts'

const copilot = await Copilot.start(tap, { encryption: { keys: [{ name: 'k', secret: 'a random text of enough letters' }] } })
await copilot.put('e1', hello)
const folder = mkdtempSync(join(tmpdir(), 'mesh-cli-'))
tap.teardown(() => rmSync(folder, { recursive: true }))
const meshctl = (...args: string[]) => run(args, { MESH_API: copilot.api, MESH_NAMESPACE: 'dev' })

function file(name: string, weights: number[], timeout = '1s'): string {
  const path = join(folder, name)
  const route = weights.map((weight) => `\n        - {destination: {host: hello}, weight: ${weight}}`).join('')
  writeFileSync(
    path,
    `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: canary\nspec:\n  hosts: [hello.mesh.test]\n  http:\n    - timeout: ${timeout}\n      route:${route}\n`,
  )
  return path
}

test('apply, get, history, rollback, wait, delete', async (t) => {
  t.match(await meshctl('apply', '-f', file('a.yaml', [90, 10])), { code: 0, out: 'vs/canary created\n' })
  t.match(await meshctl('apply', '-f', file('a.yaml', [90, 10])), { code: 0, out: /unchanged/ })
  t.match(await meshctl('apply', '-f', file('a.yaml', [50, 50])), { code: 0, out: /configured/ })
  t.match(await meshctl('get', 'vs,dr'), { code: 0, out: /vs\/canary +2 +True +Unknown +False/ })
  t.match(await meshctl('get', 'vs', '-A'), { code: 0, out: /NAMESPACE\nvs\/canary .* space\n/ })
  t.match(await meshctl('get', 'vs', 'canary', '-o', 'yaml'), { code: 0, out: /generation: 2[^]*weight: 50/ })
  t.match(await meshctl('history', 'vs/canary'), { code: 0, out: / 2 [^]*\n +1 / })
  t.match(await meshctl('rollback', 'vs/canary', '--to', '1'), { code: 0, out: /configured/ })
  t.match(await meshctl('wait', 'vs/canary', '--timeout', '1ms'), { code: 1, err: /not programmed after 1ms: no pilot/ })
  t.match(
    await meshctl('wait', '--for=delete', 'vs/never', 'vs/canary', '--timeout', '1ms'),
    { code: 1, out: 'vs/never is gone\n', err: /vs\/canary is not gone after 1ms/ },
    'several',
  )
  t.match(
    await meshctl('wait', 'vs/never', 'vs/canary', 'vs/neither', '--timeout', '1ms'),
    {
      code: 1,
      out: '',
      err: /no virtualservice\/space\/never\n[^]*vs\/canary is not programmed after 1ms[^]*no virtualservice\/space\/neither\n/,
    },
    'each is told of',
  )
  t.match(await meshctl('delete', 'vs/canary'), { code: 0, out: /deleted/ })
  t.match(await meshctl('get', 'vs'), { code: 0, out: 'no resources\n' })
  t.match(await meshctl('history', 'vs/canary'), {
    code: 0,
    out: /VERSION[^]* 3 /,
    err: 'vs/canary is deleted; meshctl rollback vs/canary --to 3 makes it again\n',
  })
})

test('diff shows what applying would change, and ends with 1 where it is anything', async (t) => {
  t.match(await meshctl('diff', '-f', file('a.yaml', [90, 10])), { code: 1, out: /\+kind: VirtualService[^]*\+ +weight: 90/ })
  await meshctl('apply', '-f', file('a.yaml', [90, 10]))
  t.strictSame(await meshctl('diff', '-f', file('a.yaml', [90, 10])), { code: 0, out: '', err: '' })
  t.match(await meshctl('diff', '-f', file('a.yaml', [80, 20])), { code: 1, out: /vs\/canary now[^]*- +weight: 90\n\+ +weight: 80/ })
  t.match(await meshctl('apply', '--dry-run', '-f', file('a.yaml', [80, 20])), { code: 0, out: 'vs/canary configured (dry run)\n' })
  t.match(await meshctl('delete', '--dry-run', 'vs/canary'), { code: 0, out: 'vs/canary deleted (dry run)\n' })
  t.match(await meshctl('get', 'vs/canary', '-o', 'json'), { code: 0, out: /"weight":90/ })
  t.match(await meshctl('get', 'vs', '-l', 'team=a'), { code: 0, out: 'no resources\n' })
  t.match(await meshctl('get', 'vs', '-l', '=a'), { code: 1, err: /"=a" is none of a=b/ })
  t.match(await meshctl('delete', 'vs/canary'), { code: 0 })
  t.match(await meshctl('wait', '--for=delete', 'vs/canary', '--timeout', '1s'), { code: 0, out: 'vs/canary is gone\n' })
  t.match(await meshctl('wait', 'vs/canary', '--timeout', '1'), { code: 2, err: /write one as 10s/ })
  t.match(await meshctl('wait', 'vs/canary', '--timeout', '1s'), { code: 1, err: /there is no virtualservice\/space\/canary/ })
})

test('of several that are deleted each is told of, whatever becomes of the others', async (t) => {
  await meshctl('apply', '-f', file('a.yaml', [90, 10]))
  t.match(await meshctl('delete', 'vs/never', 'vs/canary', 'vs/neither'), {
    code: 1,
    out: 'vs/canary deleted\n',
    err: /no virtualservice\/space\/never\n[^]*no virtualservice\/space\/neither\n/,
  })
  t.match(await meshctl('delete', 'vs/canary/3'), { code: 2, err: /vs\/canary\/3 is no resource/ })
  t.match(await meshctl('secret', 'delete', 'never', 'neither'), { code: 1, out: '', err: /never[^]*neither/ })
})

test('resources are named as kubectl has it', async (t) => {
  const rules = join(folder, 'rules')
  mkdirSync(join(rules, 'older.yaml'), { recursive: true })
  const one = (name: string): string =>
    `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: ${name}}\nspec: {hosts: [hello.mesh.test], http: [{route: [{destination: {host: hello}}]}]}\n`
  writeFileSync(join(rules, 'a.yaml'), `\ufeff${one('a')}---\n${one('b')}`.replaceAll('\n', '\r\n'))
  writeFileSync(join(rules, 'c.yml'), Buffer.from(`\ufeff${one('c')}`, 'utf16le'))
  t.match(await meshctl('apply', '-f', rules), {
    code: 0,
    out: 'vs/a created\nvs/b created\nvs/c created\n',
    err: /  warning: vs\/b: spec/,
  })
  t.strictSame(await meshctl('get', 'vs', '-o', 'name'), { code: 0, out: 'vs/a\nvs/b\nvs/c\n', err: '' })
  const named = [
    ['vs/a', 'virtualservices/c'],
    ['VirtualService.networking.istio.io', 'a', 'c'],
  ]
  for (const names of named) t.match(await meshctl('get', ...names, '-o', 'name'), { code: 0, out: 'vs/a\nvs/c\n' }, names.join(' '))
  t.strictSame(await meshctl('get', 'vs/a', 'dr/a', '-o', 'name'), { code: 1, out: 'vs/a\n', err: 'meshctl: there is no dr/a in dev\n' })
  t.strictSame(await meshctl('get', 'vs', 'never'), { code: 1, out: '', err: 'meshctl: there is no vs/never in dev\n' })
  for (const wrong of ['vs/a/b', 'vs/', 'vs,', 'pods']) t.match(await meshctl('get', wrong), { code: 2 }, wrong)
  t.match(await meshctl('wait', '--for=condition=Programmed', 'vs', 'a', '--timeout', '1ms'), {
    code: 1,
    err: /vs\/a is not programmed after/,
  })
  t.match(await meshctl('wait', '--for=nothing', 'vs/a'), { code: 2, err: /There are programmed, degraded, delete/ })
  t.match(await meshctl('get', 'all', '-o', 'name'), { code: 0, out: 'vs/a\nvs/b\nvs/c\n' })
  t.match(await meshctl('delete', 'vs', 'a', '--dry-run=server'), { code: 0, out: 'vs/a deleted (dry run)\n' })
  t.match(await meshctl('delete', 'vs', 'a', '--dry-run=never'), { code: 2 })
  t.match(await meshctl('delete'), { code: 2, err: /KIND\/NAME, as vs\/canary, or -f FILE/ })
  t.match(await meshctl('delete', 'vs', 'b'), { code: 0, out: 'vs/b deleted\n' })
  t.match(await meshctl('delete', '-f', rules), {
    code: 1,
    out: 'vs/a deleted\nvs/c deleted\n',
    err: /there is no virtualservice\/space\/b/,
  })
  writeFileSync(join(rules, 'a.yaml'), 'kind: VirtualService\n')
  t.match(await meshctl('delete', '-f', rules), { code: 2, err: /a\.yaml:1: names no resource by kind and metadata\.name/ })
})

test('get --watch goes on when copilot is back', async (t) => {
  const watched = await Copilot.start(t)
  await watched.put('e1', hello)
  const environment = { MESH_API: watched.api, MESH_NAMESPACE: 'dev' }
  const path = file('a.yaml', [90, 10])
  const child = spawn(process.execPath, [resolve(root, 'src/cli/main.ts'), 'get', 'vs', '-o', 'name', '-w'], {
    env: { ...process.env, ...environment, MESHCTL_HOME: '/nowhere', CF_HOME: '/nowhere', MESH_DATA: '/nowhere' },
  })
  t.teardown(() => child.kill())
  let seen = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (seen += chunk))
  await run(['apply', '-f', path], environment)
  await eventually(async () => seen.includes('vs/canary'))
  await watched.kill()
  await eventually(async () => seen.includes('copilot does not answer'))
  await watched.start()
  writeFileSync(path, readFileSync(path, 'utf8').replace('canary', 'second'))
  await run(['apply', '-f', path], environment)
  await eventually(async () => seen.endsWith('vs/canary\nvs/second\n'))
})

test('files without any resource are refused, a List is read as its items', async (t) => {
  const path = join(folder, 'some.yaml')
  writeFileSync(path, '---\n# nothing\n---\n')
  for (const command of ['apply', 'diff', 'validate'])
    t.match(await meshctl(command, '-f', path), { code: 1, out: '', err: `meshctl: -f: there is no resource in ${path}\n` }, command)
  const item =
    '- apiVersion: networking.istio.io/v1\n  kind: VirtualService\n  metadata: {name: listed, namespace: NAMESPACE}\n  spec: {hosts: [hello.mesh.test], http: [{route: [{destination: {host: hello}}]}]}\n'
  writeFileSync(path, `kind: List\nitems:\n${item.replace('NAMESPACE', 'dev')}`)
  t.match(await meshctl('apply', '-f', path), { code: 0, out: 'vs/listed created\n' })
  const got = await meshctl('get', 'vs', '-o', 'json')
  writeFileSync(path, got.out)
  t.match(await meshctl('apply', '-f', path), { code: 0, out: 'vs/listed unchanged\n' }, 'what get shows can be applied')
  t.match(await meshctl('apply', '-f', 'https://example.com/a.yaml'), { code: 2, err: /addresses are not read/ })
  t.match(await meshctl('delete', 'vs/listed'), { code: 0 })
  writeFileSync(path, `kind: List\nitems:\n${item.replace('NAMESPACE', 'dev')}${item.replace('NAMESPACE', 'nowhere')}`)
  t.match(
    await meshctl('apply', '-f', path),
    { code: 1, out: '', err: `${path}:9: metadata.namespace: there is no space with the name or guid nowhere\n` },
    'what copilot finds has file and line, too',
  )
})

test('what an operator can allow is refused by copilot alone', async (t) => {
  const entry = (address: string, namespace = 'dev'): string => {
    const path = join(folder, 'entry.yaml')
    writeFileSync(
      path,
      `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: db, namespace: ${namespace}}\nspec:\n  hosts: [db.test]\n  resolution: STATIC\n  ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints:\n  - address: ${address}\n`,
    )
    return path
  }
  const open = await Copilot.start(t, { egressAllowed: ['10.1.0.0/16'] })
  await open.put('e1', hello)
  const there = (...args: string[]) => run(args, { MESH_API: open.api, MESH_NAMESPACE: 'dev' })
  t.match(await there('diff', '-f', entry('10.1.2.3')), { code: 1, out: /\+kind: ServiceEntry/, err: '' })
  t.match(await there('apply', '-f', entry('10.1.2.3')), { code: 0, out: 'se/db created\n' })
  t.match(await there('apply', '-f', entry('10.2.0.1')), {
    code: 1,
    out: '',
    err: /entry\.yaml:9: spec\.endpoints\[0\]\.address: 10\.2\.0\.1 is a private address/,
  })
  t.match(await meshctl('apply', '-f', entry('10.1.2.3')), { code: 1, err: /is a private address/ }, 'where he allows nothing')
  t.match(await run(['validate', '-f', entry('10.1.2.3')]), {
    code: 0,
    out: 'valid\n',
    err: /warning: spec\.endpoints\[0\]\.address: 10\.1\.2\.3 is a private address[^]*refused unless the operator's configuration allows it/,
  })
  const tcp = join(folder, 'tcp.yaml')
  writeFileSync(
    tcp,
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: db}\nspec: {servers: [{port: {number: 5432, name: db, protocol: TCP}, hosts: ["*"]}]}\n',
  )
  t.match(await run(['validate', '-f', tcp]), { code: 1, err: /TCP ports are the operator's/ })
  t.match(await run(['validate', '-f', tcp, '-n', 'mesh-system']), { code: 0, out: 'valid\n', err: '' })
})

test('secrets are set, listed and deleted, and never shown', async (t) => {
  const { certificate, key } = issueCertificate(createAuthority('ca'), { commonName: 'shop.test', dns: ['shop.test'] })
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const [cert, keyFile] = [write('shop.crt', certificate), write('shop.key', key)]
  t.match(await meshctl('secret', 'set', 'shop', '--cert', cert, '--key', keyFile), {
    code: 0,
    out: /^secret\/shop created: shop\.test, until \d{4}-/,
  })
  t.match(await meshctl('secret', 'list'), { code: 0, out: /shop +shop\.test +\d{4}-\d\d-\d\d +operator/ })
  t.match(await meshctl('secret', 'set', 'shop', '--cert', cert), { code: 1, err: /key: is required/ })
  const partsOf = async () => (JSON.parse((await copilot.snapshot()).records.get('secret space/shop')!) as { holds: string[] }).holds
  t.match(await meshctl('secret', 'set', 'shop', '--cert', cert, '--key', keyFile, '--ca', cert), { code: 0, out: /configured/ })
  t.strictSame(await partsOf(), ['keypair', 'ca'], 'the CAs of clients, too')
  t.match(await meshctl('secret', 'set', 'shop', '--ca', cert), { code: 0, out: /configured/ })
  t.strictSame(await partsOf(), ['ca'])
  t.match(await meshctl('secret', 'set', 'shop'), { code: 2, err: /give --cert and --key, or --ca alone/ })
  t.match(await meshctl('secret', 'set', 'shop', '--cert', '/nowhere'), { code: 1, err: /--cert: cannot read \/nowhere/ })
  t.match(await meshctl('secret', 'delete', 'shop'), { code: 0, out: 'secret/shop deleted\n' })
  t.match(await meshctl('secret', 'list', '-A'), { code: 0, out: 'no secrets\n' })
})

test('operators freeze the configuration and ignore a space', async (t) => {
  t.match(await meshctl('freeze'), { code: 0, out: /^frozen/ })
  t.match(await meshctl('apply', '-f', file('a.yaml', [90, 10])), { code: 1, err: /has frozen all configuration[^]*meshctl unfreeze/ })
  t.match(await meshctl('apply', '--dry-run', '-f', file('a.yaml', [90, 10])), {
    code: 0,
    out: 'vs/canary created (dry run)\n',
    err: /^  warning: vs\/canary: operator has frozen all configuration at .*`meshctl unfreeze`\n$/,
  })
  t.match(await meshctl('ignore-space', 'acme/dev'), { code: 0, out: /not in force/ })
  t.match(await meshctl('status'), {
    code: 0,
    out: /frozen by operator[^]*ignored by operator[^]*the rules of space dev; `meshctl ignore-space space --undo`/,
  })
  t.match(await meshctl('unfreeze'), { code: 0, out: 'not frozen\n' })
  t.match(await meshctl('ignore-space', 'acme/dev', '--undo'), { code: 0, out: /in force again/ })
  t.notMatch(await meshctl('status'), { out: /frozen|ignored/ })
})

test('validate tells what files make of each other, without copilot', async (t) => {
  const path = join(folder, 'two.yaml')
  const one = (name: string, prefix: string) =>
    `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: ${name}}\nspec:\n  hosts: [hello.mesh.test]\n  http:\n    - match: [{uri: {prefix: ${prefix}}}]\n      route: [{destination: {host: hello, subset: v9}}]\n---\n`
  writeFileSync(
    path,
    `${one('a', '/')}${one('b', '/b')}apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: hello}\nspec: {host: hello, subsets: [{name: v1, labels: {version: v1}}]}\n`,
  )
  t.match(await run(['validate', '-f', path]), {
    code: 0,
    out: 'valid\n',
    err: /merged in this order: a, then this one[^]*a http\[0\] matches all of it/,
  })
  const { code, out, err } = await run(['validate', '-f', path, '--json'])
  t.strictSame([code, err], [0, ''])
  t.match(
    JSON.parse(out).find(({ code: one }: { code: string }) => one === 'MESH_MATCH_SHADOWED'),
    { severity: 'warning', file: path, line: 16, path: 'spec.http[0].match[0]', message: /a http\[0\] matches all of it/ },
  )
  t.match(await run(['validate', '-f', path]), {
    err: /two\.yaml:8: warning: spec\.http\[0\]\.route\[0\]\.destination\.subset: no DestinationRule gives hello a subset "v9"; it has v1/,
  })
})

test('every error is told with file, line, field and what to write', async (t) => {
  const { code, err } = await meshctl('validate', '-f', file('wrong.yaml', [90, -10], '0.5ms'))
  t.equal(code, 1)
  t.match(err, /wrong\.yaml:8: spec\.http\[0\]\.timeout: 0\.5ms is shorter than a millisecond; write at least 1ms/)
  t.match(err, /wrong\.yaml:11: spec\.http\[0\]\.route\[1\]\.weight: -10 is below 0/)
  const json = await meshctl('validate', '-f', file('wrong.yaml', [90, -10]), '--json')
  t.match([json.code, json.err, JSON.parse(json.out)], [1, '', [{ severity: 'error', line: 11, path: 'spec.http[0].route[1].weight' }]])
  const nothing = file('wrong.yaml', [90, NaN])
  writeFileSync(nothing, readFileSync(nothing, 'utf8').replace('NaN', '.nan'))
  t.match(await meshctl('apply', '-f', nothing), { code: 1, err: /wrong\.yaml:11: \.nan is no number/ })
  t.match(await meshctl('get', 'nonsense'), { code: 2 })
  t.match(await meshctl('delete', 'canary'), { code: 2, err: /KIND\/NAME/ })
})

test('explain has something to say of every field of every kind', async (t) => {
  function* paths(field: Field, path: string): Generator<string> {
    yield path
    for (const [name, inner] of Object.entries(field.fields ?? field.of?.fields ?? {})) yield* paths(inner, `${path}.${name}`)
  }
  for (const kind of resourceKinds) {
    for (const path of paths(specs[kind], `${kind}.spec`)) {
      const said = explained(path).split('\n')
      t.ok(said[0]?.startsWith(`${path}: `) && said[1]?.trim(), path)
      t.notOk(
        said.some((line) => line.endsWith('/')),
        `${path}: no end of a comment`,
      )
      const inner = said.some((line) => line.startsWith('  '))
      t.ok(inner || said.some((line) => /^(Supported by|Not supported:|Has no effect:)/.test(line)), `${path}: its fate`)
    }
  }
  t.end()
})

test('explain', async (t) => {
  t.match(await meshctl('explain', 'virtualservice.spec.http.retries'), { code: 0, out: /perTryTimeout <string>/ })
  t.match(await meshctl('explain', 'vs.http.retrys'), { code: 2, err: /did you mean retries/ })
  t.match(await meshctl('explain', 'se.resolution'), { code: 0, out: /Supported by envoy, embedded; DYNAMIC_DNS is refused/ })
  t.match(await meshctl('explain', 'gw.servers.tls.mode'), { out: /; ISTIO_MUTUAL and AUTO_PASSTHROUGH are refused/ })
  t.match(await meshctl('explain', 'vs.spec.http.'), { code: 0, out: /^VirtualService\.spec\.http: / })
  t.match(await meshctl('explain', 'vs.metadata.labels'), { code: 2, err: /what stands beneath spec is explained/ })
  for (const name of ['constructor', '__proto__', 'toString'])
    t.match(await meshctl('explain', `vs.spec.${name}`), { code: 2, err: /there is no field/ }, name)
})
