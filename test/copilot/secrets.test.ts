import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import tap, { test } from 'tap'
import { createAuthority, issueCertificate } from '../../src/common/pki.ts'
import { inspect } from '../../src/copilot/secrets/content.ts'
import { Keyring } from '../../src/copilot/secrets/keyring.ts'
import { ask, Copilot } from './harness.ts'
import { hello } from './records.ts'

const authority = createAuthority('test CA')
const pair = issueCertificate(authority, { commonName: 'shop.test', dns: ['shop.test', '*.shop.test'] })
const other = issueCertificate(authority, { commonName: 'other.test', dns: ['other.test'] })
const content = { certificate: pair.certificate + authority.certificate, key: pair.key }
const encryption = { keys: [{ name: 'first', secret: 'a random text of enough letters' }] }
/** What must be in no answer, log line or file in the clear. */
const secretLine = pair.key.split('\n')[3]!

const copilot = await Copilot.start(tap, { encryption })
await copilot.put('e1', hello)
const send = (name: string, body: unknown, namespace = 'dev') => ask('PUT', `${copilot.api}/v1/secrets/${namespace}/${name}`, body)

test('a secret is set, listed without what is secret of it, told to pilot alone, and deleted', async (t) => {
  const outcome = { key: 'secret/space/shop', outcome: 'created', names: ['shop.test', '*.shop.test'], warnings: [] }
  t.match(await send('shop', content), { status: 200, body: outcome })
  t.match((await send('shop', content)).body, { outcome: 'unchanged' })
  const { body: list } = await copilot.get('/v1/secrets?namespace=dev')
  t.match(list.items, [{ namespace: 'space', name: 'shop', author: 'operator', names: ['shop.test', '*.shop.test'] }])
  t.strictSame(Object.keys(list.items[0]).toSorted(), ['author', 'expires', 'name', 'names', 'namespace', 'space', 'updatedAt', 'version'])
  t.strictSame((await copilot.get('/v1/secrets/dev/shop')).body, list.items[0])

  const record = JSON.parse((await copilot.snapshot()).records.get('secret space/shop')!)
  t.strictSame(record, {
    version: list.items[0].version,
    names: ['shop.test', '*.shop.test'],
    expires: list.items[0].expires,
    holds: ['keypair'],
  })
  t.strictSame((await copilot.as('pilot', 'GET', '/v1/secrets/space/shop')).body, { version: record.version, ...content })
  t.match(await copilot.as('istio-router', 'GET', '/v1/secrets/space/shop'), { status: 403, body: { code: 'MESH_CERTIFICATE_REFUSED' } })
  t.match(await copilot.as('route-syncer', 'GET', '/v1/secrets/space/shop'), { status: 403 })

  t.match((await send('shop', { ...content, ca: authority.certificate })).body, { outcome: 'configured' })
  t.not(JSON.parse((await copilot.snapshot()).records.get('secret space/shop')!).version, record.version)
  t.match(await ask('DELETE', `${copilot.api}/v1/secrets/dev/shop`), { status: 200, body: { outcome: 'deleted' } })
  t.match(await ask('DELETE', `${copilot.api}/v1/secrets/dev/shop`), { status: 404, body: { code: 'MESH_SECRET_UNKNOWN' } })
  t.notOk((await copilot.snapshot()).records.has('secret space/shop'))
  t.match(await copilot.as('pilot', 'GET', '/v1/secrets/space/shop'), { status: 404 })
})

test('a secret that routers could not use is refused, with every fault of it', async (t) => {
  t.match(await send('Bad%20Name', content), {
    status: 422,
    body: { path: 'name', message: /^name: "Bad Name" is no name: small letters, digits/ },
  })
  const faults = async (body: object): Promise<string> => {
    const { status, body: answer } = await send('wrong', body)
    t.equal(status, 422)
    return answer.message
  }
  t.match(await faults({}), 'certificate: is required')
  t.match(await faults({ certificate: pair.certificate }), 'key: is required')
  t.match(await faults({ certificate: pair.certificate, key: other.key }), 'key: is not the key of the certificate shop.test')
  t.match(
    await faults({ certificate: 'x', key: 'y', ca: 'z' }),
    /certificate: has no certificate[^]*ca: has no certificate[^]*key: is no private key/,
  )
  t.match(
    await faults({ certificate: pair.certificate + other.certificate, key: pair.key }),
    'number 2 of the chain (other.test) did not issue the one before it',
  )
  const expired = issueCertificate(authority, { commonName: 'old.test', dns: ['old.test'], days: -1 })
  t.match(await faults(expired), 'old.test expired on')
  t.match(await faults({ certificate: pair.certificate, key: pair.key, crl: 'x' }), /ca: is required[^]*crl: has no revocation list/)
  const broken = '-----BEGIN X509 CRL-----\nbm9uZQ==\n-----END X509 CRL-----'
  t.match(await faults({ ...content, ca: authority.certificate, crl: broken }), 'crl: revocation list 1 in it cannot be read')
  t.match((await copilot.get('/v1/secrets')).body.items, [])
  const soon = issueCertificate(authority, { commonName: 'soon.test', dns: ['soon.test'], days: 3 })
  t.match((await send('soon', soon)).body.warnings, [{ path: 'certificate', message: /soon\.test expires in 3 days/ }])
  t.match((await send('clients', { ca: authority.certificate }, 'mesh-system')).body, { outcome: 'created', names: [] })
  t.match(await send('shop', content, 'nowhere'), { status: 404, body: { code: 'MESH_NAME_UNKNOWN' } })
  t.equal((await send('Shop', content)).status, 422)
})

test('keys that routers do not take are refused', (t) => {
  const key = (type: 'ed25519' | 'ec' | 'rsa', options = {}) =>
    generateKeyPairSync(type as 'rsa', { modulusLength: 1024, ...options }).privateKey
  const faults = (pem: string) => inspect({ certificate: pair.certificate, key: pem }).faults.join('; ')
  t.match(faults(key('ed25519').export({ type: 'pkcs8', format: 'pem' }) as string), 'routers do not take keys of type ed25519')
  t.match(
    faults(key('ec', { namedCurve: 'secp256k1' }).export({ type: 'pkcs8', format: 'pem' }) as string),
    'routers do not take the curve secp256k1',
  )
  t.match(faults(key('rsa').export({ type: 'pkcs8', format: 'pem' }) as string), 'an RSA key of 1024 bits is too short')
  t.match(
    faults(key('rsa', { modulusLength: 2048 }).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' }) as string),
    'is encrypted by a passphrase',
  )
  t.end()
})

test('what is secret is in no answer, log line or file', async (t) => {
  await send('shop', content)
  const answers = [
    await send('shop', `{"key": "${secretLine}`),
    await ask('PUT', `${copilot.api}/v1/secrets/dev/shop`, `{"key": ${secretLine}}`, { headers: { 'content-type': 'application/json' } }),
    await send('shop', { certificate: pair.certificate, key: `-----BEGIN PRIVATE KEY-----\n${secretLine}\n-----END PRIVATE KEY-----` }),
    await send('shop', { certificate: pair.certificate, key: [secretLine] }),
    await send('shop', { [secretLine]: 'x' }).then(({ status, body: { problems } }) => ({ status, body: problems.length })),
    await copilot.get('/v1/secrets'),
    await copilot.get('/v1/status'),
  ]
  for (const [position, answer] of answers.entries()) t.notOk(JSON.stringify(answer).includes(secretLine), `answer ${position}`)
  t.notOk(JSON.stringify([...(await copilot.snapshot()).records]).includes(secretLine), 'the watch')
  t.match(copilot.output, /"audit":true,"author":"operator","action":"created","subject":"secret\/space\/shop"/)
  t.notOk(copilot.output.includes(secretLine), 'the log')
  for (const file of [copilot.file, `${copilot.file}-wal`]) t.notOk(readFileSync(file).includes(secretLine), file)
})

test('keys are rotated: the newest encrypts, older ones decrypt until all is encrypted anew', async (t) => {
  const rotating = await Copilot.start(t, { encryption })
  await rotating.put('e1', hello)
  await ask('PUT', `${rotating.api}/v1/secrets/dev/shop`, content)
  const opened = () => rotating.as('pilot', 'GET', '/v1/secrets/space/shop')
  const restart = async (keys: object[]) => {
    await rotating.kill()
    await rotating.start({ encryption: { keys } })
  }
  const second = { name: 'second', secret: 'another random text of enough letters' }
  await restart([second])
  t.match(await opened(), { status: 503, body: { code: 'MESH_SECRET_SEALED', message: /no key "first"/ } })
  t.match((await rotating.get('/v1/secrets')).body.items, [{ name: 'shop' }], 'it is still known')
  await restart([second, ...encryption.keys])
  t.match(await opened(), { status: 200, body: { key: pair.key } })
  t.match(rotating.output, /"sealed":1,"failed":0,"msg":"secrets are encrypted with the newest key"/)
  await restart([second])
  t.match(await opened(), { status: 200, body: { key: pair.key } }, 'the old key can go')
  const third = { name: 'third', secret: 'a third random text of enough letters' }
  await restart([third])
  t.match(await opened(), { status: 503, body: { message: /set the secret anew/ } }, 'the key is lost')
  t.match(await ask('PUT', `${rotating.api}/v1/secrets/dev/shop`, content), { status: 200, body: { outcome: 'configured' } })
  t.match(await opened(), { status: 200, body: { key: pair.key } }, 'the same content, sealed again')
  await restart([])
  t.match(await ask('PUT', `${rotating.api}/v1/secrets/dev/new`, content), { status: 501, body: { code: 'MESH_SECRETS_OFF' } })
})

test('a sealed text opens only as what it was sealed as, and only whole', (t) => {
  const ring = new Keyring(encryption.keys)
  const sealed = ring.seal('text', 'space/shop')
  t.equal(ring.open(sealed, 'space/shop'), 'text')
  t.notSame(ring.seal('text', 'space/shop'), sealed, 'a nonce of its own each time')
  t.throws(() => ring.open(sealed, 'other/shop'), { code: 'MESH_SECRET_SEALED' })
  const { data, ...rest } = JSON.parse(Buffer.from(sealed).toString())
  t.throws(() => ring.open(Buffer.from(JSON.stringify({ ...rest, data: Buffer.from('tuxt').toString('base64') })), 'space/shop'), {
    code: 'MESH_SECRET_SEALED',
  })
  t.ok(data)
  t.throws(() => new Keyring([{ name: 'first', secret: 'the same name, another secret' }]).open(sealed, 'space/shop'), {
    code: 'MESH_SECRET_SEALED',
  })
  t.end()
})

test('a space can have no more secrets than the limit', async (t) => {
  const limited = await Copilot.start(t, { encryption, limits: { secrets: 1 } })
  await limited.put('e1', hello)
  const put = (name: string) => ask('PUT', `${limited.api}/v1/secrets/dev/${name}`, content)
  t.equal((await put('a')).status, 200)
  t.match(await put('b'), { status: 422, body: { code: 'MESH_TOO_MANY_SECRETS' } })
  t.equal((await put('a')).status, 200)
  t.match(
    (await limited.get('/v1/secrets')).body.items.map(({ name }: { name: string }) => name),
    ['a'],
  )
})
