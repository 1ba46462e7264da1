import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { HttpClient } from '../../src/platform/http.ts'

test('requests that cannot be sent are refused, and leave every connection to those that can', async (t) => {
  const server = createServer((_request, response) => void response.end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = new HttpClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  t.teardown(async () => {
    await client.close()
    server.close()
  })
  const unreachable = { code: 'MESH_NEIGHBOUR_UNREACHABLE' }
  for (let sent = 0; sent < 10; sent++) {
    await t.rejects(client.request({ path: 'no-slash' }), unreachable)
    await t.rejects(client.request({ path: '/', headers: { authorization: 'bearer a\nb' } }), unreachable)
    await t.rejects(client.stream({ path: '/a b' }), unreachable)
  }
  t.equal(String((await client.request({ path: '/' })).body), 'hello')
})
