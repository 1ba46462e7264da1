import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import type { TlsConfig } from '../common/config.ts'
import { Certificates } from './certificates.ts'
import type { StartOptions } from './options.ts'
import type { Ports } from './ports.ts'
import type { Ready } from './ready.ts'
import type { Program } from './supervisor.ts'

export interface Deployment {
  programs: Program[]
  ready: Omit<Ready, 'pids'>
}

const host = '127.0.0.1'
const internalDomain = 'apps.mesh.internal'
const programMain = (program: string): string => resolve(import.meta.dirname, `../${program}/main.ts`)

/** Writes each program's configuration and certificates into the data folder: what an operator's deployment would bring. */
export async function configure(options: StartOptions, ports: Ports, version: string): Promise<Deployment> {
  const folder = (name: string): string => {
    const path = join(options.data, name)
    mkdirSync(path, { recursive: true, mode: 0o700 })
    return path
  }
  const certificates = new Certificates(folder('certificates'), 'mesh-release development CA')
  const identities = new Certificates(folder('certificates/instance-identity'), 'mesh-release development instance identity CA')
  const secrets = keepSecrets(join(options.data, 'secrets.json'))

  const tls = (name: string, dns = [`${name}.service.cf.internal`]): TlsConfig => ({
    ...certificates.issue(name, { commonName: name, dns, ips: [host] }),
    ca: certificates.ca.certificate,
  })
  const http = { host, port: await ports.asked('cloud-controller', options.ccPort, '--cc-port') }
  const routerPorts = await chooseRouterPorts(options, ports)
  const free = async (name: string): Promise<{ host: string; port: number }> => ({ host, port: await ports.free(name) })
  const [https, uaa, logCache, bbs, copilot, copilotApi, pilot, pilotDebug] = [
    await free('cloud-controller-tls'),
    await free('uaa'),
    await free('log-cache'),
    await free('bbs'),
    await free('copilot'),
    await free('copilot-api'),
    await free('pilot'),
    await free('pilot-debug'),
  ]

  const programs: Program[] = []
  const add = async (name: string, main: string, config: object): Promise<number> => {
    const health = await free(`${name}-health`)
    const file = join(folder('config'), `${name}.yml`)
    writeFileSync(file, stringify({ log: { level: options.logLevel }, health: { listen: health }, ...config }), { mode: 0o600 })
    programs.push({
      name,
      main: programMain(main),
      config: file,
      log: join(folder('logs'), `${name}.log`),
      ready: `http://${host}:${health.port}/ready`,
    })
    return health.port
  }

  await add('foundation', 'foundation', {
    data: folder('foundation'),
    certificate: certificates.issue('cloud-controller', { commonName: 'cloud-controller', dns: ['localhost'], ips: [host] }),
    cloudController: { http, https },
    uaa: { http: uaa },
    logCache: { http: logCache },
    bbs: { listen: bbs, tls: tls('bbs') },
    admin: { username: 'admin', password: secrets.admin },
    tokens: { issuer: `http://${host}:${uaa.port}/oauth/token` },
    clients: [{ id: 'route-syncer', secret: secrets.syncer, authorities: ['cloud_controller.admin_read_only'] }],
    domains: [
      { name: options.appsDomain },
      { name: options.meshDomain },
      { name: 'apps.internal', internal: true },
      { name: internalDomain, internal: true },
    ],
    environment: callVariables(routerPorts[0]!, readFileSync(certificates.ca.certificate, 'utf8')),
    cells: { ca: identities.ca.certificate, caKey: identities.ca.key, routerCa: certificates.ca.certificate, handover: 60 },
  })
  await add('copilot', 'copilot', {
    listen: copilot,
    tls: tls('copilot'),
    api: {
      listen: copilotApi,
      uaa: { url: `http://${host}:${uaa.port}`, issuer: `http://${host}:${uaa.port}/oauth/token` },
      cloudController: { url: `http://${host}:${http.port}`, rolesSeconds: 2 },
    },
    encryption: { keys: [{ name: 'development', secret: secrets.encryption }] },
    store: { file: join(folder('copilot'), 'copilot.db') },
  })
  await add('route-syncer', 'route-syncer', {
    uaa: { clientId: 'route-syncer', clientSecret: secrets.syncer },
    cloudController: { url: `http://${host}:${http.port}`, pollInterval: 250 },
    bbs: { addresses: [`https://${host}:${bbs.port}`], tls: tls('route-syncer') },
    copilot: { url: `https://${host}:${copilot.port}`, tls: tls('route-syncer') },
    meshDomains: [options.meshDomain],
    internalDomains: [internalDomain],
    ...(options.mirror && { mirror: { from: options.appsDomain, to: options.meshDomain } }),
  })
  await add('pilot', 'pilot', {
    listen: pilot,
    tls: tls('pilot'),
    debug: { listen: pilotDebug },
    copilot: { url: `https://${host}:${copilot.port}`, tls: tls('pilot') },
  })

  const routers: Ready['routers'] = []
  for (const { name, http, https, internal, internalTls } of routerPorts) {
    const listener = (name: string, port: number, tls: boolean, exposure: string) => ({ name, address: host, port, tls, exposure })
    const health = await add(name, 'istio-router', {
      name,
      engine: options.engine,
      pilot: { addresses: [`${host}:${pilot.port}`], tls: tls('istio-router') },
      listeners: [
        listener('http', http, false, 'pub'),
        listener('https', https, true, 'pub'),
        listener('internal', internal, false, 'int'),
        { ...listener('internal-tls', internalTls, true, 'int'), clientCertificates: 'required' },
      ],
      keypairs: [
        {
          name: 'default',
          ...certificates.issue('router', {
            commonName: options.meshDomain,
            dns: [options.meshDomain, `*.${options.meshDomain}`, options.appsDomain, `*.${options.appsDomain}`, 'localhost'],
            ips: [host],
            usages: ['server'],
          }),
        },
        {
          name: 'internal',
          ...certificates.issue('router-internal', { commonName: internalDomain, dns: [`*.${internalDomain}`], usages: ['server'] }),
        },
      ],
      backend: {
        ...certificates.issue('backend', { commonName: 'gorouter', dns: ['gorouter.service.cf.internal'], usages: ['client'] }),
        ca: identities.ca.certificate,
      },
      cache: folder(name),
    })
    routers.push({ name, http, https, internal, internalTls, health })
  }

  return {
    programs,
    ready: {
      version,
      engine: options.engine,
      urls: {
        cloudController: `http://${host}:${http.port}`,
        cloudControllerTls: `https://${host}:${https.port}`,
        copilot: `http://${host}:${copilotApi.port}`,
        pilot: `http://${host}:${pilotDebug.port}`,
      },
      credentials: { user: 'admin', password: secrets.admin },
      organization: 'dev',
      space: 'dev',
      domains: { apps: options.appsDomain, mesh: options.meshDomain },
      routers,
      caFile: certificates.ca.certificate,
    },
  }
}

/** The ports of every router: the first has those that were asked for, each further one free ones. */
async function chooseRouterPorts(options: StartOptions, ports: Ports): Promise<Omit<Ready['routers'][number], 'health'>[]> {
  const routers = []
  for (let i = 0; i < options.routers; i++) {
    const name = i ? `istio-router-${i}` : 'istio-router'
    routers.push({
      name,
      http: i ? await ports.free(`${name}-http`) : await ports.asked(`${name}-http`, options.httpPort, '--http-port'),
      https: i ? await ports.free(`${name}-https`) : await ports.asked(`${name}-https`, options.httpsPort, '--https-port'),
      internal: await ports.free(`${name}-internal`),
      internalTls: await ports.free(`${name}-internal-tls`),
    })
  }
  return routers
}

/**
 * What apps find in their environment to call each other over the mesh (docs/developers/calling-apps.md). Names under the domain resolve on
 * real cells; here they don't, so that an address is given.
 */
function callVariables({ internal, internalTls }: { internal: number; internalTls: number }, ca: string): Record<string, string> {
  return {
    MESH_INTERNAL_DOMAIN: internalDomain,
    MESH_INTERNAL_ADDRESS: host,
    MESH_INTERNAL_PORT: `${internal}`,
    MESH_INTERNAL_TLS_PORT: `${internalTls}`,
    MESH_INTERNAL_CA: ca,
  }
}

/** Passwords and keys, made at the first start and kept. What a user types begins with no `-`, which cf would take for an option. */
function keepSecrets(file: string): Record<'admin' | 'syncer' | 'encryption', string> {
  const kept = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object) : {}
  const secrets = {
    admin: randomBytes(12).toString('hex'),
    syncer: randomBytes(24).toString('base64url'),
    encryption: randomBytes(24).toString('base64url'),
    ...kept,
  }
  // Whole or not at all: without the key of before, no secret that copilot keeps can be opened.
  writeFileSync(`${file}.new`, JSON.stringify(secrets), { mode: 0o600 })
  renameSync(`${file}.new`, file)
  return secrets
}
