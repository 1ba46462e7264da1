import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Apps } from '../../../src/cli/dev/apps.ts'
import { Session } from '../../../src/cli/dev/session.ts'
import { TestAuthority } from '../../support/pki.ts'
import { freePort, TestProgram } from '../../support/program.ts'
import { Deployment } from './deployment.ts'
import { readManifest, type Manifest } from './manifests.ts'

export const systemDomain = 'sys.test'
export const meshDomain = `mesh.${systemDomain}`

/** The routers that cells accept: CAs of their certificates, PEM, and names of which each bears one. */
interface Accepted {
  ca: string
  names: string[]
}

interface RouterPorts {
  http: number
  https: number
  internal: number
  internalTls: number
  probe: number
  health: number
}

/** The embedded Cloud Foundry, and beside it manifests/mesh.yml as processes from rendered jobs. */
export class Platform {
  readonly folder = mkdtempSync(join(tmpdir(), 'mesh-bosh-'))
  readonly #authority = new TestAuthority(join(this.folder, 'pki'))
  readonly #identities = new TestAuthority(join(this.folder, 'identities'))
  readonly routers: RouterPorts[] = []
  #foundation: TestProgram | undefined
  ports!: Record<'cc' | 'uaa' | 'bbs' | 'copilot' | 'api' | 'copilotHealth' | 'pilot' | 'debug' | 'pilotHealth' | 'syncerHealth', number>
  deployment!: Deployment
  cc!: Session
  apps!: Apps

  /**
   * Starts the Cloud Foundry and lays the deployment of `manifest` down, with further variables. Its cells accept gorouter's certificate,
   * unless told otherwise.
   */
  static async start(
    manifest = readManifest('manifests/mesh.yml'),
    variables: Record<string, unknown> = {},
    accepted?: Accepted,
  ): Promise<Platform> {
    const platform = new Platform()
    try {
      await platform.#start(manifest, variables, accepted)
    } catch (error) {
      await platform.stop()
      throw error
    }
    return platform
  }

  async stop(): Promise<void> {
    await this.deployment?.discard()
    await this.cc?.close()
    await this.#foundation?.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #start(manifest: Manifest, variables: Record<string, unknown>, accepted?: Accepted): Promise<void> {
    const [cc, uaa, bbs, copilot, api, copilotHealth, pilot, debug, pilotHealth, syncerHealth] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ]
    this.ports = { cc, uaa, bbs, copilot, api, copilotHealth, pilot, debug, pilotHealth, syncerHealth }
    for (let i = 0; i < 2; i++)
      this.routers.push({
        http: await freePort(),
        https: await freePort(),
        internal: await freePort(),
        internalTls: await freePort(),
        probe: await freePort(),
        health: await freePort(),
      })

    await this.#startFoundation(accepted)
    this.deployment = new Deployment(manifest, { ...this.#variables(), ...variables }, (job, index) =>
      this.#overrides(job, index, manifest),
    )
    const { hosts } = this
    const names = ['copilot.service.cf.internal', 'bbs.service.cf.internal', 'uaa.service.cf.internal', `api.${systemDomain}`]
    writeFileSync(hosts, JSON.stringify({ ...this.deployment.hosts(), ...Object.fromEntries(names.map((name) => [name, '127.0.0.1'])) }))
    for (const vm of this.deployment.vms) {
      vm.resolveBy(hosts)
      this.deployment.render(vm)
    }

    this.cc = await new Session({
      api: `https://127.0.0.1:${cc}`,
      uaa: `https://127.0.0.1:${uaa}`,
      user: 'admin',
      password: 'admin',
      ca: this.#authority.ca,
    }).signIn()
    const organization = await this.cc.post('/v3/organizations', { name: 'bosh-test' })
    const space = await this.cc.post('/v3/spaces', {
      name: 'bosh-test',
      relationships: { organization: { data: { guid: organization.guid } } },
    })
    this.apps = new Apps(this.cc, space.guid)
  }

  async #startFoundation(accepted?: Accepted): Promise<void> {
    const { cc, uaa, bbs } = this.ports
    const server = (name: string, dns: string[]) => this.#authority.issue(name, { dns })
    const { certificate, key } = server('cf', [`api.${systemDomain}`, 'uaa.service.cf.internal'])
    const data = join(this.folder, 'foundation')
    mkdirSync(data)
    const identities = join(this.#identities.folder, 'ca.key')
    writeFileSync(identities, this.#identities.pair.key)
    const routerCa = accepted ? join(this.folder, 'router-ca.crt') : this.#authority.ca
    if (accepted) writeFileSync(routerCa, accepted.ca)
    this.#foundation = await TestProgram.start(
      'foundation',
      {
        data,
        certificate: { certificate, key },
        cloudController: { https: { port: cc } },
        uaa: { https: { port: uaa } },
        tokens: { issuer: `https://uaa.service.cf.internal:${uaa}/oauth/token` },
        bbs: { listen: { port: bbs }, tls: server('bbs', ['bbs.service.cf.internal']) },
        admin: { username: 'admin', password: 'admin' },
        clients: [
          { id: 'mesh_route_syncer', secret: 'syncer', authorities: ['cloud_controller.admin_read_only'] },
          { id: 'cf_smoke_tests', secret: 'smoke', authorities: ['cloud_controller.admin'] },
        ],
        systemDomain,
        domains: [{ name: 'apps.test' }, { name: meshDomain }, { name: 'apps.mesh.internal', internal: true }],
        cells: { ca: this.#identities.ca, caKey: identities, routerCa, ...(accepted && { routerNames: accepted.names }) },
      },
      this.folder,
    )
    await this.#foundation.ready()
  }

  /** The file with the names that BOSH DNS would answer. */
  get hosts(): string {
    return join(this.folder, 'hosts.json')
  }

  /** What manifests/mesh-vars.yml asks for. */
  #variables(): Record<string, unknown> {
    const pem = (file: string): string => readFileSync(file, 'utf8')
    const pair = (name: string, dns: string[]) => {
      const { ca, certificate, key } = this.#authority.issue(name, { dns, usages: ['client'] })
      return { ca: pem(ca), certificate: pem(certificate), private_key: pem(key) }
    }
    return {
      system_domain: systemDomain,
      network: 'default',
      cf_deployment: 'cf',
      cf_router_ca: this.#authority.pair.certificate,
      cf_uaa_ca: this.#authority.pair.certificate,
      cf_instance_identity_ca: this.#identities.pair.certificate,
      cf_bbs_client: pair('bbs-client', ['bbs-client']),
      cf_backend: pair('backend', ['gorouter.service.cf.internal']),
      cf_mesh_route_syncer_secret: 'syncer',
      cf_smoke_tests_secret: 'smoke',
      // The same as cf-deployment calls it.
      service_cf_internal_ca: {
        ca: this.#authority.pair.certificate,
        certificate: this.#authority.pair.certificate,
        private_key: this.#authority.pair.key,
      },
      uaa_ssl: { ca: this.#authority.pair.certificate },
      cc_public_tls: { ca: this.#authority.pair.certificate },
      diego_instance_identity_ca: { ca: this.#identities.pair.certificate },
      gorouter_backend_tls: pair('gorouter', ['gorouter.service.cf.internal']),
      uaa_clients_mesh_route_syncer_secret: 'syncer',
      uaa_clients_cf_smoke_tests_secret: 'smoke',
    }
  }

  /** Ports of this machine, and times that suit a test. */
  #overrides(job: string, index: number, manifest: Manifest): Record<string, unknown> {
    const ports = this.ports
    const api = `https://api.${systemDomain}:${ports.cc}`
    const uaa = `https://uaa.service.cf.internal:${ports.uaa}`
    const router = this.routers[index]
    const overrides: Record<string, Record<string, unknown>> = {
      copilot: {
        listen: { port: ports.copilot },
        api: {
          listen: { port: ports.api },
          uaa: { url: uaa, issuer: `${uaa}/oauth/token` },
          cloud_controller: { url: api, ca: this.#authority.pair.certificate },
        },
        health: { port: ports.copilotHealth },
      },
      pilot: { listen: { port: ports.pilot }, debug: { port: ports.debug }, health: { port: ports.pilotHealth } },
      'route-syncer': {
        cloud_controller: { url: api, ca: this.#authority.pair.certificate, poll_interval: 1 },
        uaa: { url: uaa },
        bbs: { url: `https://bbs.service.cf.internal:${ports.bbs}` },
        health: { port: ports.syncerHealth },
      },
      'istio-router': {
        http: { port: router?.http },
        https: { port: router?.https },
        internal: { port: router?.internal, ...(hasInternalTls(manifest) && { tls_port: router?.internalTls }) },
        probe: { port: router?.probe },
        health: { port: router?.health },
        envoy: { concurrency: 1 },
        // Time enough for the tests' balancer to notice, also on a busy machine.
        drain: { wait: 3, limit: 10 },
        load_balancer_healthy_threshold: 3,
      },
      'smoke-tests': { api, uaa: { url: uaa } },
    }
    return overrides[job] ?? {}
  }
}

function hasInternalTls({ instance_groups: groups }: Manifest): boolean {
  return groups.some(({ jobs }) => jobs.some(({ properties }) => (properties?.['internal'] as { tls?: object } | undefined)?.tls))
}
