import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { spawn, spawnSync } from 'node:child_process'
import { join, relative, resolve } from 'node:path'
import { rootCertificates } from 'node:tls'
import { text } from 'node:stream/consumers'
import tap, { test } from 'tap'
import { Copilot } from '../copilot/harness.ts'
import { startUaa } from '../copilot/platform.ts'
import { hello } from '../copilot/records.ts'
import { TestAuthority } from '../support/pki.ts'
import { eventually } from '../support/wait.ts'
import { meshctl as run, root } from './meshctl.ts'

const keys = await startUaa()
/** A UAA that gives tokens for a password, a refresh token or a passcode; how it was asked is in `asked`. */
const asked: Record<string, string>[] = []
let lifetime = '10m'
const uaa = createServer((request, response) => {
  void (async () => {
    const form = Object.fromEntries(new URLSearchParams(await text(request)))
    asked.push(form)
    const good = form['password'] === 'right' || form['refresh_token'] === 'refresh' || form['passcode'] === 'code'
    response.statusCode = good ? 200 : 401
    response.setHeader('content-type', 'application/json')
    const claims = { scope: ['cloud_controller.admin'], user_name: 'ann', user_id: 'ann' }
    response.end(
      JSON.stringify(
        good
          ? { access_token: await keys.token(claims, { issuer: `${url}/oauth/token`, expires: lifetime }), refresh_token: 'refresh' }
          : { error: 'unauthorized', error_description: 'Bad credentials' },
      ),
    )
  })()
}).listen(0, '127.0.0.1')
await once(uaa, 'listening')
const url = `http://127.0.0.1:${(uaa.address() as { port: number }).port}`
const home = mkdtempSync(join(tmpdir(), 'mesh-home-'))
tap.teardown(() => {
  for (const server of [uaa, keys.server]) server.close()
  rmSync(home, { recursive: true })
})
const copilot = await Copilot.start(tap, { api: { uaa: { url: keys.url, issuer: `${url}/oauth/token` } } })
await copilot.put('e1', hello)
const file = join(home, 'session.json')
const meshctl = (args: string[], more: NodeJS.ProcessEnv = {}) =>
  run(args, { MESHCTL_HOME: home, MESH_DATA: '', CF_HOME: join(home, 'cf'), ...more })

test('a login is kept for its owner alone, without the password, and names the copilot from then on', async (t) => {
  t.match(await meshctl(['status', '--api', copilot.api]), { code: 1, err: /log in with `meshctl login --api/ })
  t.match(await meshctl(['login', '--api', copilot.api, '-u', 'ann', '-p', 'wrong']), {
    code: 1,
    err: /Bad credentials\. Check user and password/,
  })
  t.match(await meshctl(['login', '--api', copilot.api, '--sso-passcode', 'used']), {
    code: 1,
    err: /Bad credentials\. A passcode is good once, .* at http.*\/passcode/,
  })
  t.match(await meshctl(['login', '--api', copilot.api, '-u', 'ann'], { MESH_PASSWORD: 'right' }), {
    code: 0,
    out: `logged in to ${copilot.api} as ann\n`,
  })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.notMatch(readFileSync(file, 'utf8'), /right/)
  t.match(await meshctl(['routes']), { code: 0, out: /hello\.mesh\.test/ })
})

const noTerminal = /util-linux/.test(spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '')
  ? false
  : 'no script of util-linux, which gives a program a terminal'

test('at a terminal the password does not show, and Ctrl-C ends it without a trace', { skip: noTerminal }, async (t) => {
  const login = `${process.execPath} ${resolve(root, 'src/cli/main.ts')} login --api ${copilot.api}`
  const type = async (...answers: [question: string, answer: string][]): Promise<{ seen: string; code: number | null }> => {
    const child = spawn('script', ['-qec', login, '/dev/null'], { env: { ...process.env, MESHCTL_HOME: home, MESH_PASSWORD: '' } })
    let seen = ''
    child.stdout.on('data', (chunk: Buffer) => (seen += chunk))
    const ended = once(child, 'exit')
    for (const [question, answer] of answers) {
      await eventually(async () => seen.includes(question))
      child.stdin.write(answer)
    }
    const [code] = (await ended) as [number | null]
    return { seen, code }
  }
  const { seen, code } = await type(['User:', 'ann\r'], ['Password:', 'right\r'])
  t.equal(code, 0, seen)
  t.match(seen, /logged in to .* as ann/)
  t.notMatch(seen, /right/)
  for (const keys of ['\x03', '\x04']) {
    const given = await type(['User:', keys])
    t.match(given, { code: 1, seen: /meshctl: given up; nobody was logged in/ })
    t.notMatch(given.seen, /at /)
  }
})

test('a token that expires is renewed, and the new one kept', async (t) => {
  lifetime = '1s'
  t.match(await meshctl(['login', '--sso-passcode', 'code']), { code: 0, out: / as ann\n/ }, 'whom the token names')
  lifetime = '10m'
  const before = readFileSync(file, 'utf8')
  t.match(await meshctl(['routes']), { code: 0 })
  t.match(asked.at(-1), { grant_type: 'refresh_token', refresh_token: 'refresh' })
  t.not(readFileSync(file, 'utf8'), before)
})

test('an address is the same with a slash at its end, and a file of CAs is found from every folder', async (t) => {
  t.match(await meshctl(['routes', '--api', `${copilot.api}/`]), { code: 0, out: /hello\.mesh\.test/ })
  writeFileSync(join(home, 'ca.crt'), rootCertificates[0]!)
  t.match(
    await meshctl(['login', '--api', copilot.api, '-u', 'ann', '-p', 'right', '--api-ca', relative(process.cwd(), join(home, 'ca.crt'))]),
    { code: 0 },
  )
  t.match(JSON.parse(readFileSync(file, 'utf8')), { ca: join(home, 'ca.crt') })
})

test('that UAA is away, or a certificate comes from no trusted CA, is not said of copilot', async (t) => {
  const authorities = ['copilot', 'uaa'].map((name) => new TestAuthority(join(home, name)))
  const servers = await Promise.all(
    authorities.map(async (authority) => {
      const { certificate, key } = authority.issue('server')
      const server = createTlsServer(
        { cert: readFileSync(certificate), key: readFileSync(key) },
        (_request, response) => void response.end(JSON.stringify({ version: '1', login })),
      ).listen(0, '127.0.0.1')
      t.teardown(() => server.close())
      await once(server, 'listening')
      return server
    }),
  )
  const [api, ownUaa] = servers.map((server) => `https://127.0.0.1:${(server.address() as { port: number }).port}`) as [string, string]
  let login = ownUaa
  const attempt = (ca: string[]) => meshctl(['login', '--api', api, '-u', 'ann', '-p', 'right', ...ca])
  const [of, both] = [authorities[0]!.ca, join(home, 'both.crt')]
  writeFileSync(both, authorities.map(({ ca }) => readFileSync(ca, 'utf8')).join(''))
  t.match(await attempt([]), {
    code: 3,
    err: `the certificate of copilot at ${api} comes from no CA that is trusted; name a file with its CA by --api-ca`,
  })
  t.match(await attempt(['--api-ca', of]), { code: 3, err: `the certificate of UAA at ${ownUaa} comes from no CA that is trusted` })
  t.match(await attempt(['--api-ca', both]), { code: 1, err: `${ownUaa} gives no token` })
  t.match(await attempt(['--api-ca', authorities[0]!.issue('other').key]), {
    code: 1,
    err: /--api-ca: cannot read .*: it holds no certificate in PEM/,
  })
  t.match(await meshctl(['login', '--api', api.replace('127.0.0.1', 'localhost'), '--api-ca', of, '-u', 'ann', '-p', 'right']), {
    code: 3,
    err: /the certificate of copilot at https:\/\/localhost:\d+ is for another name/,
  })
  login = 'http://127.0.0.1:1'
  t.match(await attempt(['--api-ca', of]), { code: 3, err: /UAA, where one logs in, does not answer at http:\/\/127\.0\.0\.1:1 \(/ })
  t.match(await meshctl(['login', '--api', url.replace('http', 'https')]), {
    code: 3,
    err: /copilot does not answer .*it speaks no TLS there/,
  })
})

test('who names no space anywhere is told so', async (t) => {
  t.match(await meshctl(['get', 'vs'], { MESH_DATA: undefined }), { code: 1, err: /no space is named: write -n SPACE/ })
})

test('a file of a login that cannot be read is none', async (t) => {
  const kept = readFileSync(file, 'utf8')
  for (const broken of ['{}', 'null', '{']) {
    writeFileSync(file, broken)
    t.match(await meshctl(['routes', '--api', copilot.api]), { code: 1, err: /log in with `meshctl login --api/ }, broken)
  }
  writeFileSync(file, kept)
})

test('where the login cannot be kept, that is said', async (t) => {
  const { code, err } = await meshctl(['login', '--api', copilot.api, '-u', 'ann', '-p', 'right'], { MESHCTL_HOME: join(file, 'within') })
  t.equal(code, 1)
  t.match(err, /the login cannot be kept in .*session\.json\/within\/session\.json: .*; set MESHCTL_HOME/)
})

test('logout forgets it', async (t) => {
  t.match(await meshctl(['logout']), { code: 0, out: 'logged out\n' })
  t.match(await meshctl(['logout']), { code: 0, out: 'nobody was logged in\n' })
  t.throws(() => statSync(file))
})

test("else the cf CLI's tokens and target are used, for the copilot of the same Cloud Foundry alone", async (t) => {
  mkdirSync(join(home, 'cf/.cf'), { recursive: true })
  const claims = { scope: ['cloud_controller.admin'], user_name: 'ann', user_id: 'ann' }
  const config = (more: object) =>
    writeFileSync(
      join(home, 'cf/.cf/config.json'),
      JSON.stringify({ RefreshToken: 'refresh', UAAOAuthClient: 'cf', SpaceFields: { GUID: 'space' }, ...more }),
    )
  config({ AccessToken: `bearer ${await keys.token(claims, { issuer: `${url}/oauth/token` })}`, UaaEndpoint: url })
  t.match(await meshctl(['get', 'vs', '--api', copilot.api]), { code: 0, out: 'no resources\n' })
  config({ AccessToken: `bearer ${await keys.token(claims, { issuer: `${url}/oauth/token`, expires: '-1m' })}`, UaaEndpoint: url })
  t.match(await meshctl(['get', 'vs', '--api', copilot.api]), { code: 0 }, 'renewed')
  config({ AccessToken: 'bearer a.b.c', UaaEndpoint: 'https://uaa.elsewhere.test' })
  t.match(await meshctl(['get', 'vs', '--api', copilot.api]), { code: 1, err: /log in with `meshctl login --api/ }, 'shown to no other')
})
