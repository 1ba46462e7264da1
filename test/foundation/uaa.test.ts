import { createRemoteJWKSet, jwtVerify } from 'jose'
import { test } from 'tap'
import { Harness } from './harness.ts'

test('a password gives a signed token that the published keys verify', async (t) => {
  const harness = await Harness.start(t)
  const { status, body } = await harness.grant({ grant_type: 'password', username: 'admin', password: 'admin-secret' })
  t.equal(status, 200)
  t.equal(body.token_type, 'bearer')
  t.ok(body.refresh_token)
  const { payload } = await jwtVerify(body.access_token, createRemoteJWKSet(new URL(`${harness.uaa}/token_keys`)))
  t.match(payload, { user_name: 'admin', client_id: 'cf', grant_type: 'password', iss: `${harness.uaa}/oauth/token` })
  t.ok((payload['scope'] as string[]).includes('cloud_controller.admin'))
})

test('a refresh token gives a new access token, but is none itself', async (t) => {
  const harness = await Harness.start(t)
  const first = (await harness.grant({ grant_type: 'password', username: 'admin', password: 'admin-secret' })).body
  const again = await harness.grant({ grant_type: 'refresh_token', refresh_token: first.refresh_token })
  t.equal(again.status, 200)
  t.equal((await harness.session(again.body.access_token)('GET', '/v3/organizations')).status, 200)
  t.match((await harness.session(first.refresh_token)('GET', '/v3/organizations')).body.errors[0], {
    code: 1000,
    title: 'CF-InvalidAuthToken',
  })
  t.equal(
    (await harness.grant({ grant_type: 'refresh_token', refresh_token: first.access_token })).status,
    401,
    'nor is an access token one',
  )
})

test('a client gets its own scopes and nothing more', async (t) => {
  const harness = await Harness.start(t)
  const syncer = await harness.loginClient()
  t.equal((await syncer('GET', '/v3/apps')).status, 200)
  t.match(await syncer('POST', '/v3/organizations', { name: 'x' }), { status: 403, body: { errors: [{ code: 10003 }] } })
  t.match(await harness.grant({ grant_type: 'password', username: 'admin', password: 'admin-secret' }, 'syncer:syncer-secret'), {
    status: 401,
  })
})

test('wrong credentials and grants are refused in words of UAA', async (t) => {
  const harness = await Harness.start(t)
  const cases: [Record<string, string>, string, number, string][] = [
    [{ grant_type: 'password', username: 'admin', password: 'no' }, 'cf:', 401, 'unauthorized'],
    [{ grant_type: 'password', username: 'nobody', password: 'no' }, 'cf:', 401, 'unauthorized'],
    [{ grant_type: 'password', username: 'admin', password: 'admin-secret' }, 'cf:wrong', 401, 'unauthorized'],
    [{ grant_type: 'client_credentials' }, 'syncer:wrong', 401, 'unauthorized'],
    [{ grant_type: 'magic' }, 'cf:', 400, 'unsupported_grant_type'],
    [{}, 'cf:', 400, 'invalid_request'],
    [{ grant_type: 'refresh_token', refresh_token: 'garbage' }, 'cf:', 401, 'invalid_token'],
  ]
  for (const [form, client, status, error] of cases)
    t.match(await harness.grant(form, client), { status, body: { error } }, JSON.stringify(form))
})

test('users are made, found, given a new password and taken away', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const made = await admin('POST', `${harness.uaa}/Users`, { userName: 'Ada', password: 'pw', origin: '', emails: [{ value: 'ada@x' }] })
  t.match(made, { status: 201, body: { userName: 'Ada', origin: 'uaa' } })
  t.match(await admin('POST', `${harness.uaa}/Users`, { userName: 'ada', password: 'pw' }), {
    status: 409,
    body: { error: 'scim_resource_already_exists' },
  })
  const filter = encodeURIComponent('userName eq "ADA" and origin eq "uaa"')
  t.equal((await admin('GET', `${harness.uaa}/Users?filter=${filter}`)).body.totalResults, 1)
  t.match(await admin('POST', `${harness.uaa}/Users`, '{"userName":', { 'content-type': 'application/json' }), {
    status: 400,
    body: { error: 'invalid_request' },
  })
  t.match(await admin('GET', `${harness.uaa}/Users?filter=nonsense`), { status: 400, body: { error: 'invalid_filter' } })

  const ada = await harness.login('Ada', 'pw')
  t.match(await ada('GET', `${harness.uaa}/userinfo`), { status: 200, body: { user_name: 'Ada' } })
  t.match(await ada('GET', `${harness.uaa}/Users`), { status: 403, body: { error: 'insufficient_scope' } })
  t.equal((await ada('PUT', `${harness.uaa}/Users/${made.body.id}/password`, { oldPassword: 'wrong', password: 'new' })).status, 401)
  t.equal((await ada('PUT', `${harness.uaa}/Users/${made.body.id}/password`, { oldPassword: 'pw', password: 'new' })).status, 200)
  t.ok((await harness.login('ada', 'new')).token)
  t.equal(
    (await admin('DELETE', `${harness.uaa}/Users/${made.body.id}`, '', { 'content-type': 'application/json' })).status,
    200,
    'as cf sends it: JSON, but empty',
  )
  t.equal((await harness.grant({ grant_type: 'password', username: 'ada', password: 'new' })).status, 401)
})

test('a token is checked for those who ask', async (t) => {
  const harness = await Harness.start(t, { tokens: { accessSeconds: 1, refreshSeconds: 60 } })
  const { token } = await harness.login()
  const check = async (token: string) => {
    const headers = { authorization: `Basic ${Buffer.from('syncer:syncer-secret').toString('base64')}` }
    return (await fetch(`${harness.uaa}/check_token`, { method: 'POST', headers, body: new URLSearchParams({ token }) })).status
  }
  t.equal(await check(token), 200)
  t.equal(await check(`${token}x`), 400)
})
