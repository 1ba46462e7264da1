import { test } from 'tap'
import { eventually, startDiego, webProcess } from './harness.ts'

const hello = { 'app.js': `require('http').createServer((q, s) => s.end(JSON.stringify(process.env))).listen(process.env.PORT, () => console.log('listening'))` }

test('an instance starts, is given what Diego gives, and goes when it is removed', async (t) => {
  const { diego, droplet } = await startDiego(t)
  process.env['SECRET_OF_THE_FOUNDATION'] = 'x'
  t.teardown(() => delete process.env['SECRET_OF_THE_FOUNDATION'])
  const dropletGuid = await droplet(hello)
  diego.desire(webProcess('p-1', dropletGuid, { environment: { COLOUR: 'blue', VCAP_APPLICATION: '{"name":"dora"}' } }))
  t.match(diego.instances('p-1'), [{ index: 0, state: 'STARTING' }])
  const [instance] = await eventually('running', () => diego.instances('p-1').every(({ state }) => state === 'RUNNING') && diego.instances('p-1'))
  const { external } = instance!.ports[0]!
  const env = (await (await fetch(`http://127.0.0.1:${external}/`)).json()) as Record<string, string>
  t.match(env, {
    COLOUR: 'blue',
    PORT: `${external}`,
    VCAP_APP_PORT: `${external}`,
    CF_INSTANCE_GUID: instance!.instanceGuid,
    CF_INSTANCE_INDEX: '0',
    CF_INSTANCE_ADDR: `127.0.0.1:${external}`,
    CF_INSTANCE_INTERNAL_IP: '127.0.0.1',
    MEMORY_LIMIT: '64m',
  })
  t.match(JSON.parse(env['VCAP_APPLICATION']!), { name: 'dora', instance_id: instance!.instanceGuid, instance_index: 0, host: '0.0.0.0', port: external })
  t.notOk('SECRET_OF_THE_FOUNDATION' in env)
  t.ok(diego.instances('p-1')[0]!.usage.memory > 1e6)

  diego.remove('p-1')
  await eventually('refused', () => fetch(`http://127.0.0.1:${external}/`).then(() => false, () => true))
  t.same(diego.instances('p-1'), [])
  await eventually('logged', () => diego.logs('app-of-p-1', { limit: 100 }).some(({ message }) => message.includes('destroyed container')))
  t.match(diego.logs('app-of-p-1', {}).map(({ sourceType, message }) => `${sourceType} ${message}`), [
    /CELL Cell cell-1 creating container for instance /,
    /CELL Cell cell-1 successfully created container for instance /,
    /CELL Starting health monitoring of container/,
    /APP\/PROC\/WEB listening/,
    /CELL Container became healthy/,
  ])
})
