import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { Duplex } from 'node:stream'
import { behaviour } from '../support/conformance.ts'
import { ask, askHttp2, http2 } from '../support/client.ts'
import { to, trafficPolicy, virtualService } from '../support/rules.ts'

/** An app that speaks HTTP/1.1 and HTTP/2 on one port, and answers which it was asked in. */
function speakingBoth(): (socket: Duplex) => void {
  const plain = createServer((request, response) => response.end(request.httpVersion))
  const h2c = createHttp2Server((request, response) => response.end(request.httpVersion))
  return (socket) => {
    socket.once('data', (first: Buffer) => {
      const isHttp2 = first.toString('latin1').startsWith('PRI ')
      socket.pause()
      socket.unshift(first)
      ;(isHttp2 ? h2c : plain).emit('connection', socket)
      if (!isHttp2) socket.resume()
    })
  }
}

behaviour(
  "apps are asked in HTTP/1.1 unless h2UpgradePolicy upgrades them, and in the client's version with useClientProtocol",
  async ({ t, router, mesh, apply }) => {
    const { host } = await mesh.serve({ tcpHandler: speakingBoth() })
    const session = http2(router.http)
    t.teardown(() => session.close())
    const versions = async (): Promise<string[]> => [
      (await ask(router.http, host)).body,
      (await askHttp2(session, { ':path': '/', ':authority': host })).body.toString(),
    ]
    t.same(await versions(), ['1.1', '1.1'])
    for (const [http, expected] of [
      [{ h2UpgradePolicy: 'UPGRADE' }, ['2.0', '2.0']],
      [{ h2UpgradePolicy: 'DO_NOT_UPGRADE' }, ['1.1', '1.1']],
      [{ useClientProtocol: true }, ['1.1', '2.0']],
    ] as const) {
      await apply(trafficPolicy(host, { connectionPool: { http } }))
      t.same(await versions(), expected, JSON.stringify(http))
    }
  },
)

behaviour(
  'apps that are named as a service are asked at the port and in the protocol of their routes',
  async ({ t, router, mesh, apply }) => {
    const app = await mesh.serve({
      http2Handler: (request, response) => response.end(`app ${request.httpVersion}`),
      appLabels: { app: `svc-${router.engine}` },
    })
    const { host } = await mesh.serve()
    await apply(virtualService(host, { route: [to(`svc-${router.engine}`)] }))
    t.equal((await ask(router.http, host)).body, 'app 2.0')
    t.equal((await ask(router.http, app.host)).body, 'app 2.0')
  },
)
