import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { request } from 'undici'
import { stringify } from 'yaml'
import { freePort } from '../../test/support/program.ts'
import { eventually } from '../../test/support/wait.ts'
import { Skipped } from '../part.ts'
import { program, type StartProxy } from './proxy.ts'

/**
 * Cloud Foundry's gorouter, built by whoever measures (`MESH_GOROUTER` and `MESH_NATS_SERVER` name the binaries): its access log and traces
 * of both kinds on, TLS with the instances' names checked, the routes told over NATS as its route-emitter does.
 */
export const gorouter: StartProxy = async ({ instances, port, files, folder }, host) => {
  const { MESH_GOROUTER: binary, MESH_NATS_SERVER: natsBinary } = process.env
  if (!binary || !natsBinary) throw new Skipped('MESH_GOROUTER and MESH_NATS_SERVER name no gorouter and no nats-server')
  const [http, https, nats, status, routes, statusTls] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  const pem = (file: string): string => readFileSync(file, 'utf8')
  const { client, server } = files
  const file = join(folder, 'gorouter.yml')
  const password = randomBytes(12).toString('hex')
  const configuration = {
    port: http,
    enable_ssl: true,
    ssl_port: https,
    enable_http2: true,
    tls_pem: [{ cert_chain: pem(server.certificate), private_key: pem(server.key) }],
    min_tls_version: 'TLSv1.2',
    cipher_suites: 'ECDHE-RSA-AES128-GCM-SHA256:TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:ECDHE-ECDSA-AES128-GCM-SHA256',
    client_cert_validation: 'none',
    status: {
      host: '127.0.0.1',
      port: status,
      user: 'status',
      pass: password,
      enable_nontls_health_checks: true,
      routes: { port: routes },
      tls: { port: statusTls, certificate: pem(server.certificate), key: pem(server.key) },
    },
    nats: { hosts: [{ hostname: '127.0.0.1', port: nats }] },
    logging: { level: 'error', metron_address: `127.0.0.1:${await freePort()}`, format: { timestamp: 'rfc3339' } },
    access_log: { file: join(folder, 'gorouter.access.log') },
    tracing: { enable_zipkin: true, enable_w3c: true },
    route_services_secret: createHash('md5').update(password).digest('base64'),
    balancing_algorithm: 'round-robin',
    start_response_delay_interval: '1s',
    publish_start_message_interval: '60s',
    prune_stale_droplets_interval: '60s',
    droplet_stale_threshold: '86400s',
    frontend_idle_timeout: '900s',
    endpoint_timeout: '900s',
    max_idle_conns: 100,
    max_idle_conns_per_host: 100,
    disable_keep_alives: false,
    ca_certs: [pem(files.ca)],
    backends: { max_attempts: 3, cert_chain: pem(client.certificate), private_key: pem(client.key) },
  }
  writeFileSync(file, stringify(configuration), { mode: 0o600 })
  const bus = program(natsBinary, ['-a', '127.0.0.1', '-p', String(nats), '-l', join(folder, 'nats.log')])
  await eventually(() => open(nats), 20_000)
  const router = program(binary, ['-c', file])
  const stop = async (): Promise<void> => {
    await router.stop()
    await bus.stop()
  }
  try {
    const messages = instances.map(({ address, guid }, index) => ({
      host: address,
      tls_port: port,
      port: 0,
      uris: [host],
      app: 'app',
      private_instance_id: guid,
      private_instance_index: String(index),
      server_cert_domain_san: guid,
    }))
    await eventually(async () => {
      await publish(nats, 'router.register', messages)
      const { statusCode, body } = await request(`http://127.0.0.1:${http}/`, { headers: { host }, headersTimeout: 1000 })
      await body.dump()
      return statusCode === 200
    }, 60_000)
  } catch (error) {
    await stop()
    throw error
  }
  return { name: 'gorouter', http, https, host, pids: router.pids, stop }
}

/** Resolves once a port takes connections. */
async function open(port: number): Promise<true> {
  const { promise, resolve, reject } = Promise.withResolvers<true>()
  const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', reject)
  return promise.finally(() => socket.destroy())
}

/** Publishes messages in NATS' own protocol (https://docs.nats.io/reference/reference-protocols/nats-protocol). */
async function publish(port: number, subject: string, messages: object[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = connect(port, '127.0.0.1')
    .on('error', reject)
    .on('data', (data) => String(data).includes('PONG') && resolve())
  const lines = messages.map((message) => JSON.stringify(message)).map((text) => `PUB ${subject} ${Buffer.byteLength(text)}\r\n${text}\r\n`)
  socket.write(`CONNECT {"verbose":false}\r\n${lines.join('')}PING\r\n`)
  return promise.finally(() => socket.destroy())
}
