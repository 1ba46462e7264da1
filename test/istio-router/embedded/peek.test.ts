import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { test, type Test } from 'tap'
import { peek } from '../../../src/istio-router/embedded/listener/peek.ts'

async function connected(t: Test): Promise<{ client: Socket; socket: Socket }> {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [[socket]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [[Socket], unknown]
  return { client, socket }
}

const any = (seen: Buffer): number | undefined => (seen.length > 0 ? 0 : undefined)

test('a connection that shows nothing in time is closed', async (t) => {
  const { client, socket } = await connected(t)
  peek(socket, 20, any, () => t.fail('it showed nothing'))
  t.equal(await text(client), '')
})

test('what comes while the event loop is busy is in time', async (t) => {
  const { client, socket } = await connected(t)
  peek(socket, 20, any, () => socket.end('served'))
  client.write('hello')
  const until = performance.now() + 60
  while (performance.now() < until);
  t.equal(await text(client), 'served')
})
