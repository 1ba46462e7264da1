// Every app instance of the world in one process: a TLS server at all addresses of 127.0.0.0/8, which shows for each instance's guid
// (the SNI) a certificate of its own, made when it is first asked for. The answer's body is the guid, at /bytes/N it has N bytes.
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSecureContext, createServer, type SecureContext, type TLSSocket } from 'node:tls'
import { createKeys, issueCertificate, type KeyPair } from '../../src/common/pki.ts'
import { given, offer } from './remote.ts'

export interface InstancesOptions {
  /** Issues instances' certificates. */
  identities: KeyPair
  /** The routers' CA, PEM. */
  routerCa: string
}

const { identities, routerCa } = given<InstancesOptions>()
const keys = await createKeys()
const contexts = new Map<string, SecureContext>()
const dead = new Set<string>()
const open = new Map<string, Set<TLSSocket>>()

const body = Buffer.alloc(1_000_000, 'x')

const app = createHttpServer((request, response) => {
  const guid = String((request.socket as TLSSocket).servername)
  request.resume()
  const size = request.url?.startsWith('/bytes/') ? Number(request.url.slice('/bytes/'.length)) : 0
  if (size) return void response.end(body.subarray(0, size))
  if (request.url === '/session') response.setHeader('set-cookie', 'JSESSIONID=1')
  response.end(guid)
})
app.keepAliveTimeout = 300_000

const server = createServer(
  {
    ca: routerCa,
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
    SNICallback: (guid, done) => {
      if (dead.has(guid)) return done(new Error('gone'))
      let context = contexts.get(guid)
      if (!context) {
        const { certificate, key } = issueCertificate(identities, { commonName: guid, dns: [guid] }, keys)
        contexts.set(guid, (context = createSecureContext({ cert: certificate, key, ca: routerCa })))
      }
      done(null, context)
    },
  },
  (socket) => {
    const guid = String(socket.servername)
    if (!open.has(guid)) open.set(guid, new Set())
    open.get(guid)!.add(socket)
    socket.once('close', () => open.get(guid)?.delete(socket))
    app.emit('connection', socket)
  },
)
server.on('tlsClientError', () => {})
server.listen({ port: 0, host: '0.0.0.0', backlog: 4096 })
await once(server, 'listening')

const methods = {
  port: (): number => (server.address() as AddressInfo).port,
  /** An instance is gone: its connections break, and its name answers no more. */
  end(guid: string): void {
    dead.add(guid)
    for (const socket of open.get(guid) ?? []) socket.destroy()
    open.delete(guid)
  },
}
export type InstancesMethods = typeof methods
offer(methods)
