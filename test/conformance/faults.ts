import { once } from 'node:events'
import { connect } from 'node:net'
import { behaviour } from '../support/conformance.ts'
import { ask } from '../support/client.ts'

behaviour('an instance that breaks off is 502 endpoint_failure', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: (request) => request.socket.destroy() })
  const answer = await ask(router.http, host, { method: 'POST', body: 'x' })
  t.equal(answer.status, 502)
  t.equal(answer.headers['x-cf-routererror'], 'endpoint_failure')
})

behaviour('an instance that listens no more is 502 endpoint_failure', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve()
  await instances[0]?.stop()
  const answer = await ask(router.http, host)
  t.equal(answer.status, 502)
  t.equal(answer.headers['x-cf-routererror'], 'endpoint_failure')
})

behaviour('an answer that takes longer than the request timeout is 504', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: () => {} })
  t.equal((await ask(router.http, host)).status, 504)
})

behaviour('any method goes on to another instance while nothing was sent', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve({ instances: 3 })
  await Promise.all(instances.slice(0, 2).map((instance) => instance.stop()))
  for (const method of ['GET', 'POST', 'PATCH']) {
    for (let i = 0; i < 6; i++) {
      const answer = await ask(router.http, host, { method, ...(method !== 'GET' && { body: 'x' }) })
      t.equal(answer.status, 200, method)
    }
  }
})

behaviour('an idempotent request without a body is tried at another instance when one breaks off', async ({ t, router, mesh }) => {
  let broken = 0
  const { host } = await mesh.serve({
    instances: 2,
    handler: (request, response) => {
      if (broken++ === 0) request.socket.destroy()
      else response.end('second')
    },
  })
  const answer = await ask(router.http, host)
  t.equal(answer.status, 200)
  t.equal(answer.body, 'second')
})

for (const [what, method, body] of [
  ['a POST', 'POST', 'x'],
  ['a PUT with a body', 'PUT', 'x'],
  ['a POST without a body', 'POST', undefined],
] as const) {
  behaviour(`${what} that an instance may have seen is not sent twice`, async ({ t, router, mesh }) => {
    let seen = 0
    const { host } = await mesh.serve({
      instances: 2,
      handler: (request) => {
        seen++
        request.socket.destroy()
      },
    })
    t.equal((await ask(router.http, host, { method, ...(body && { body }) })).status, 502)
    t.equal(seen, 1)
  })
}

behaviour('at most three instances are tried', async ({ t, router, mesh }) => {
  let seen = 0
  const { host } = await mesh.serve({
    instances: 5,
    handler: (request) => {
      seen++
      request.socket.destroy()
    },
  })
  t.equal((await ask(router.http, host)).status, 502)
  t.equal(seen, 3)
})

behaviour('an address that now belongs to another instance never gets a byte', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve({ identity: 'somebody-else' })
  const answer = await ask(router.http, host, { method: 'POST', body: 'secret' })
  t.equal(answer.status, 502)
  t.equal(answer.headers['x-cf-routererror'], 'endpoint_failure')
  t.equal(instances[0]?.requests, 0)
  const again = await ask(router.http, host)
  t.equal(again.status, 502, 'nor at the second attempt')
  t.equal(instances[0]?.requests, 0)
})

behaviour('beside a recycled address, the right instance answers', async ({ t, router, mesh }) => {
  const served = await mesh.serve()
  const impostor = await served.addInstance({ identity: 'somebody-else', awaited: false })
  for (let i = 0; i < 10; i++)
    t.equal((await ask(router.http, served.host, { method: 'POST', body: 'x' })).body, `instance ${served.instances[0]?.guid}`)
  t.equal(impostor.requests, 0)
})

behaviour('an upgraded connection outlives the request timeout', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve()
  instances[0]?.app.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.on('data', (data: Buffer) => socket.write(data))
  })
  const client = connect({ port: router.http, host: '127.0.0.1' })
  client.write(
    `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  )
  const [head] = (await once(client, 'data')) as [Buffer]
  t.match(head.toString(), /^HTTP\/1.1 101/)
  // Longer than the mesh's request timeout; what is waited for is the time itself.
  const began = Date.now()
  await mesh.eventually(() => Date.now() - began > 3500)
  client.write('still here')
  const [echo] = (await once(client, 'data')) as [Buffer]
  t.equal(echo.toString(), 'still here')
  client.destroy()
})

behaviour('an answer in flight survives the removal of its instance', async ({ t, router, mesh }) => {
  let release: () => void = () => {}
  const served = await mesh.serve({
    handler: (request, response) => {
      if (request.url !== '/slow') return response.end('quick')
      response.write('first ')
      release = () => response.end('last')
    },
  })
  const answer = ask(router.http, served.host, { path: '/slow' })
  await mesh.eventually(() => served.instances[0]?.requests)
  await served.stopInstances({ keepRunning: true })
  await mesh.until(() => ask(router.http, served.host), 503)
  release()
  t.equal((await answer).body, 'first last')
})
