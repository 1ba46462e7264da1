import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { issueCertificate } from '../../src/common/pki.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { ask } from '../support/client.ts'
import { freePort } from '../support/program.ts'
import { destination, resource, route } from './records.ts'
import { envoyAbsent, Rig, routerAuthority, settingsOf } from './rig.ts'
import { eventually } from '../support/wait.ts'

const { RATELIMIT: program, REDIS: redis } = process.env
const skip =
  envoyAbsent ||
  (program && redis ? undefined : 'RATELIMIT (the program of github.com/envoyproxy/ratelimit) and REDIS (HOST:PORT) are not set')

/** envoyproxy/ratelimit with mutual TLS, and no limits of its own. */
async function serve(t: Test): Promise<number> {
  const port = await freePort()
  const { certificate, key } = issueCertificate(routerAuthority, { commonName: 'limits', dns: ['limits.test'] })
  const folder = t.testdir({
    config: { 'mesh.yaml': `domain: mesh-${port}\ndescriptors: []\n` },
    'cert.pem': certificate,
    'key.pem': key,
    'ca.pem': routerAuthority.certificate,
  })
  const file = (name: string): string => join(folder, name)
  const service = spawn(program!, {
    env: {
      RUNTIME_ROOT: folder,
      RUNTIME_SUBDIRECTORY: '.',
      RUNTIME_WATCH_ROOT: 'false',
      USE_STATSD: 'false',
      LOG_LEVEL: 'warn',
      HOST: '127.0.0.1',
      PORT: String(await freePort()),
      DEBUG_HOST: '127.0.0.1',
      DEBUG_PORT: String(await freePort()),
      GRPC_HOST: '127.0.0.1',
      GRPC_PORT: String(port),
      GRPC_SERVER_USE_TLS: 'true',
      GRPC_SERVER_TLS_CERT: file('cert.pem'),
      GRPC_SERVER_TLS_KEY: file('key.pem'),
      GRPC_CLIENT_TLS_CACERT: file('ca.pem'),
      REDIS_SOCKET_TYPE: 'tcp',
      REDIS_URL: redis!,
    },
    stdio: 'ignore',
  })
  t.teardown(async () => {
    const gone = service.exitCode ?? once(service, 'exit')
    service.kill('SIGKILL')
    await gone
  })
  return port
}

test('envoyproxy/ratelimit counts a global limit that it knows from the routers alone', { skip }, async (t) => {
  const port = await serve(t)
  const settings = settingsOf({
    rateLimitService: { address: `127.0.0.1:${port}`, serverName: 'limits.test', domain: `mesh-${port}`, timeout: '1s' },
  })
  const rig = await Rig.start({ settings, listeners: [{ name: 'one' }, { name: 'two' }] })
  t.teardown(() => rig.stop())
  const translator = new Translator(settings)
  rig.cache.apply({ changed: translator.constants, removed: [] })
  rig.cache.apply(
    translator.apply([
      route('key.test', [destination([])]),
      resource('RateLimit', `key-${port}`, {
        hosts: ['key.test'],
        global: true,
        limits: [
          { per: 'header:X-Api-Key', requests: 7, unit: 'day' },
          { per: 'client-ip', requests: 1000, unit: 'hour' },
        ],
      }),
    ]),
  )
  await rig.settled()
  await rig.listening()
  t.same(rig.refused, [])
  const send = (key: string, listener = 0) => ask(rig.ports[listener]!, 'key.test', { headers: { 'x-api-key': key } })
  // Its connection, and its configuration, take a moment; the app has no instances, so that what passes is answered 503.
  await eventually(async () => (await send('wait')).headers['x-ratelimit-limit'])
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => send('one', i % 2)))
  t.same(
    [503, 429].map((status) => answers.filter((answer) => answer.status === status).length),
    [7, 13],
  )
  t.equal((await send('two')).status, 503)
  const { headers } = await send('one')
  t.match(headers, {
    'x-ratelimit-limit': /^7, 7;w=86400, 1000;w=3600$/,
    'x-ratelimit-remaining': '0',
    'x-ratelimit-reset': /^\d+$/,
    'x-cf-routererror': 'rate_limited',
  })
  t.equal(headers['retry-after'], headers['x-ratelimit-reset'])
})
