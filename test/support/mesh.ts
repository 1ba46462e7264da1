import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Agent, request } from 'undici'
import { routeKey, type Change, type Destination, type Exposure, type RouteOptions } from '../../src/mesh/records.ts'
import { issueCertificate } from '../../src/common/pki.ts'
import { ask, type Answer } from './client.ts'
import { DnsServer } from './dns.ts'
import { TestInstance, type InstanceOptions } from './instance.ts'
import { TestAuthority } from './pki.ts'
import { FakeRateLimitService } from './rate-limit-service.ts'
import { freePort, TestProgram } from './program.ts'
import { eventually } from './wait.ts'

export type EngineName = 'embedded' | 'envoy'

/** One istio-router process and its ports. */
export interface TestRouter {
  engine: EngineName
  http: number
  https: number
  /** The internal listener. */
  internal: number
  /** The internal listener that asks callers for the certificate of an instance, and the one that needs none but checks what it gets. */
  internalTls: number
  internalOptional: number
  /** A public listener that expects the PROXY protocol. */
  proxied: number
  /** Where it listens for ports of Gateways: 8081 and 9443, which the space may open, and 5432. */
  gatewayPorts: Record<number, number>
  /** The HTTP port of a second router which trusts 127.0.0.1 to be a load balancer. */
  trusting: number
  /** PEM of the CA of its certificates. */
  ca: string
  program: TestProgram
  /** The lines of its access log so far. */
  accessLog(): Record<string, unknown>[]
}

export interface MeshOptions {
  /** Both where absent. */
  engines?: EngineName[]
  /** pilot's `translation` settings. */
  translation?: object
  /** Whether the operator has a rate limit service, a fake one. */
  rateLimitService?: boolean
}

export interface ServeOptions extends Pick<InstanceOptions, 'identity' | 'handler' | 'http2Handler' | 'tcpHandler'> {
  host?: string
  path?: string
  exposure?: Exposure
  instances?: number
  options?: RouteOptions
  /** Of the route. */
  labels?: Record<string, string>
  /** Of the app, by which subsets choose. */
  appLabels?: Record<string, string>
  /** Of the app. */
  annotations?: Record<string, string>
  /** Availability zones of the instances, in turn. */
  zones?: string[]
}

/** An app that is served on a route: what a test changes and looks at. */
export interface Served {
  host: string
  /** Guid of the app. */
  app: string
  instances: TestInstance[]
  addInstance(options?: { identity?: string; awaited?: boolean }): Promise<TestInstance>
  /** Takes an instance out of the mesh; its process goes on. */
  removeInstance(instance: TestInstance): Promise<void>
  stopInstances(options?: { keepRunning?: boolean }): Promise<void>
  unmap(): Promise<void>
}

export const envoyAbsent = existsSync(resolve(import.meta.dirname, '../../vendor/envoy')) ? undefined : 'Envoy is absent: npm run envoy'

/** copilot, pilot and a router of each engine as real processes; the test is the route-syncer and runs the app instances. */
export class Mesh {
  readonly folder = mkdtempSync(join(tmpdir(), 'mesh-'))
  readonly #authority = new TestAuthority(join(this.folder, 'pki'))
  readonly #identities = new TestAuthority(join(this.folder, 'identities'))
  readonly #epoch = randomUUID()
  readonly #programs: TestProgram[] = []
  readonly #instances: TestInstance[] = []
  readonly routers = new Map<EngineName, TestRouter>()
  readonly #syncer = new Agent({ connect: { ...this.#pem('route-syncer'), servername: 'copilot.service.cf.internal' } })
  rateLimits: FakeRateLimitService | undefined
  /** Where pilot looks names of external services up. */
  dns!: DnsServer
  #copilot = ''
  #pilot: object = {}
  #api = ''
  #hosts = 0
  #barrier: Served | undefined
  #applied = 0

  static async start(options: MeshOptions = {}): Promise<Mesh> {
    const mesh = new Mesh()
    try {
      await mesh.#start(options)
    } catch (error) {
      await mesh.stop()
      throw error
    }
    return mesh
  }

  async stop(): Promise<void> {
    await Promise.all(this.#programs.toReversed().map((program) => program.stop('SIGKILL')))
    await Promise.all(this.#instances.map((instance) => instance.stop()))
    await this.#syncer.close()
    this.dns.stop()
    this.rateLimits?.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** A host name that nothing else in this mesh has. */
  host(): string {
    return `host-${++this.#hosts}.mesh.test`
  }

  /** The certificate and key that an instance of an app finds in its environment. */
  caller({ app, space = 'space', organization = 'organization' }: { app: string; space?: string; organization?: string }): {
    cert: string
    key: string
  } {
    const { certificate, key } = issueCertificate(this.#identities.pair, {
      commonName: 'instance',
      dns: ['instance'],
      organizationalUnits: [`organization:${organization}`, `space:${space}`, `app:${app}`],
    })
    return { cert: certificate, key }
  }

  /** Applies changes, as a route-syncer would; resolves when copilot has them. */
  async change(changes: Change[]): Promise<void> {
    await this.#send('POST', `/v1/sources/cf/changes?epoch=${this.#epoch}`, JSON.stringify({ changes }))
  }

  /** Starts instances of a new app, maps a route to it, and waits until every router answers it. */
  async serve(options: ServeOptions = {}): Promise<Served> {
    const host = options.host ?? this.host()
    const app = await this.#app(options)
    const route = { host, path: options.path ?? '', exposure: options.exposure ?? 'pub' } as const
    const destinations = [app.destination()]
    await this.change([
      {
        kind: 'route',
        key: routeKey(route),
        value: { ...route, space: 'space', labels: options.labels ?? {}, options: options.options ?? {}, destinations },
      },
    ])
    await this.#known(routeKey(route), app.instances)
    // Of a host that is not simple routers are told after its cluster.
    if (options.labels || route.path || host.startsWith('*')) for (const router of this.routers.values()) await this.apply(router)

    return {
      host,
      app: app.guid,
      instances: app.instances,
      addInstance: async ({ awaited = true, ...changed } = {}) => {
        const instance = await app.add(changed)
        if (awaited) await this.#known(routeKey(route), app.instances)
        return instance
      },
      removeInstance: (instance) => this.change([{ kind: 'instance', key: instance.guid, value: null }]),
      stopInstances: async ({ keepRunning = false } = {}) => {
        await this.change(app.instances.map(({ guid }) => ({ kind: 'instance', key: guid, value: null })))
        if (!keepRunning) await Promise.all(app.instances.map((instance) => instance.stop()))
      },
      unmap: () => this.change([{ kind: 'route', key: routeKey(route), value: null }]),
    }
  }

  /** One route with several apps, each with a weight and a number of instances. */
  async serveWeighted(
    shares: { weight: number; instances: number }[],
    handler?: InstanceOptions['handler'],
  ): Promise<{ host: string; apps: TestInstance[][] }> {
    return this.#serveApps(shares.map(({ weight, instances }) => ({ weight, instances, handler })))
  }

  /** One route with an app a version, which is its label `version` and its answer, unless it has a handler. */
  async serveVersions(
    versions: Record<string, Omit<ServeOptions, 'host' | 'path'>>,
    host?: string,
  ): Promise<{ host: string; apps: TestInstance[][] }> {
    return this.#serveApps(
      Object.entries(versions).map(([version, options]) => ({
        handler: (_request, response) => response.end(version),
        ...options,
        appLabels: { version, ...options.appLabels },
      })),
      host,
    )
  }

  /**
   * Applies resources to the space of all routes, as an app developer does, and waits until `router` goes by them. A rule of a host of
   * its own, applied with them, tells when: its answer is a number that grows.
   */
  async apply(router: TestRouter, ...documents: object[]): Promise<void> {
    const { host } = (this.#barrier ??= await this.serve())
    const body = String(++this.#applied)
    const barrier = {
      ...typed('VirtualService'),
      metadata: { name: 'barrier' },
      spec: { hosts: [host], http: [{ directResponse: { status: 200, body: { string: body } } }] },
    }
    await this.call('POST', '/v1/resources/apply', { documents: [...documents, barrier], namespace: 'space' })
    // Envoy's workers learn of it one by one.
    let seen = 0
    await eventually(async () => {
      seen = (await ask(router.http, host)).body === body ? seen + 1 : 0
      return seen >= 4
    })
  }

  /** A request to copilot's API for people. Throws with what it answers, unless that is 200. */
  async call(method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, body?: object): Promise<unknown> {
    const answer = await request(`${this.#api}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`)
    return JSON.parse(text)
  }

  async #serveApps(
    versions: (ServeOptions & { weight?: number })[],
    host = this.host(),
  ): Promise<{ host: string; apps: TestInstance[][] }> {
    const apps = await Promise.all(versions.map((options) => this.#app(options)))
    const destinations = apps.map((app, i) => ({
      ...app.destination(),
      ...(versions[i]?.weight !== undefined && { weight: versions[i].weight }),
    }))
    const route = { host, path: '', exposure: 'pub' } as const
    await this.change([{ kind: 'route', key: routeKey(route), value: { ...route, space: 'space', labels: {}, options: {}, destinations } }])
    await this.#known(
      routeKey(route),
      apps.flatMap(({ instances }) => instances),
    )
    return { host, apps: apps.map(({ instances }) => instances) }
  }

  /** Asks until the status is `status`, and answers that. */
  until(send: () => Promise<Answer>, status: number): Promise<Answer> {
    return eventually(async () => {
      const answer = await send()
      return answer.status === status ? answer : undefined
    })
  }

  readonly eventually = eventually

  async #app({ instances = 1, identity, handler, http2Handler, tcpHandler, appLabels = {}, annotations = {}, zones = [] }: ServeOptions) {
    const guid = randomUUID()
    const process = `${guid}-1`
    const running: TestInstance[] = []
    const add = async (changed: { identity?: string } = { identity }): Promise<TestInstance> => {
      const instance = await TestInstance.start({
        index: running.length,
        identities: this.#identities.pair,
        routerCa: this.#authority.pair.certificate,
        handler,
        http2Handler,
        tcpHandler,
        ...changed,
      })
      running.push(instance)
      this.#instances.push(instance)
      await this.change([
        { kind: 'process', key: process, value: { app: guid, type: 'web', instances: running.length } },
        {
          kind: 'instance',
          key: instance.guid,
          value: { ...instance.record(process), ...(zones.length > 0 && { zone: zones[instance.index % zones.length]! }) },
        },
      ])
      return instance
    }
    await this.change([
      { kind: 'app', key: guid, value: { name: `app-${guid.slice(0, 8)}`, space: 'space', labels: appLabels, annotations } },
      { kind: 'process', key: process, value: { app: guid, type: 'web', instances } },
    ])
    for (let i = 0; i < instances; i++) await add()
    return {
      guid,
      instances: running,
      add,
      destination: (): Destination => ({
        app: guid,
        type: 'web',
        port: 8080,
        protocol: http2Handler ? 'http2' : 'http1',
        processes: [process],
      }),
    }
  }

  /** Waits until every router has acknowledged the route with these instances. */
  async #known(route: string, instances: TestInstance[]): Promise<void> {
    const guids = instances.map(({ guid }) => guid)
    for (const router of this.routers.values()) {
      await eventually(async () => {
        const { body } = await request(`http://127.0.0.1:${router.program.healthPort}/debug/resources?cluster=${encodeURIComponent(route)}`)
        const { instances } = (await body.json()) as { instances?: string[] }
        return guids.every((guid) => instances?.includes(guid))
      })
    }
  }

  async #start({ engines = ['embedded', 'envoy'], translation = {}, rateLimitService }: MeshOptions): Promise<void> {
    const [copilot, api, pilot, debug] = [await freePort(), await freePort(), await freePort(), await freePort()]
    this.dns = await DnsServer.start()
    if (rateLimitService) this.rateLimits = await FakeRateLimitService.start(this.#authority.issue('rate-limits'))
    const limits = this.rateLimits && {
      rateLimitService: { address: this.rateLimits.address, serverName: 'rate-limits.service.cf.internal', timeout: '1s' },
    }
    this.#copilot = `https://127.0.0.1:${copilot}`
    this.#api = `http://127.0.0.1:${api}`
    this.#pilot = {
      listen: { port: pilot },
      tls: this.#authority.issue('pilot'),
      debug: { listen: { port: debug } },
      copilot: { url: this.#copilot, tls: this.#authority.issue('pilot-client', { dns: ['pilot.service.cf.internal'] }) },
      translation: { ...translation, ...limits },
      egressResolvers: [this.dns.address],
    }
    const starting = [
      await this.#launch('copilot', {
        listen: { port: copilot },
        tls: this.#authority.issue('copilot'),
        api: { listen: { port: api } },
        store: { file: join(this.folder, 'copilot.db') },
        encryption: { keys: [{ name: 'test', secret: randomUUID() }] },
      }),
      await this.#launch('pilot', this.#pilot),
    ]
    for (const engine of engines) {
      if (engine === 'envoy' && envoyAbsent) continue
      starting.push(...(await this.#launchRouters(engine, pilot)))
    }
    await starting[0]?.ready()
    await this.#send('PUT', `/v1/sources/cf/records?epoch=${this.#epoch}`, `${JSON.stringify({ commit: { count: 0 } })}\n`)
    await this.change([
      { kind: 'organization', key: 'org', value: { name: 'org' } },
      { kind: 'space', key: 'space', value: { name: 'dev', organization: 'org' } },
    ])
    await Promise.all(starting.map((program) => program.ready()))
  }

  /** The router that is tested, and one beside it that trusts its clients to be load balancers. */
  async #launchRouters(engine: EngineName, pilot: number): Promise<TestProgram[]> {
    const [http, https, internal, internalTls, internalOptional] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ]
    const [proxied, trusting] = [await freePort(), await freePort()]
    const gatewayPorts = { 8081: await freePort(), 9443: await freePort(), 5432: await freePort() }
    const server = (name: string) => ({ name, ...withoutCa(this.#authority.issue(name, { dns: [name, `*.${name}`], usages: ['server'] })) })
    const common = {
      engine,
      zone: 'z1',
      pilot: { addresses: [`127.0.0.1:${pilot}`], tls: this.#authority.issue('istio-router') },
      keypairs: [server('mesh.test'), server('other.test')],
      backend: { ...withoutCa(this.#authority.issue('backend', { dns: ['gorouter.service.cf.internal'] })), ca: this.#identities.ca },
    }
    const listener = (name: string, port: number, more: object = {}) => ({
      name,
      address: '127.0.0.1',
      port,
      tls: false,
      exposure: 'pub',
      ...more,
    })
    const listeners = [
      listener('http', http),
      listener('https', https, { tls: true }),
      listener('internal', internal, { exposure: 'int' }),
      listener('internal-tls', internalTls, { exposure: 'int', tls: true, clientCertificates: 'required' }),
      listener('internal-optional', internalOptional, { exposure: 'int', tls: true, clientCertificates: 'optional' }),
      listener('proxied', proxied, { proxyProtocol: true }),
    ]
    const program = await this.#launch(
      'istio-router',
      { ...common, name: engine, labels: { istio: 'ingressgateway', engine }, gatewayPorts, cache: join(this.folder, engine), listeners },
      engine,
    )
    const beside = `${engine}-trusting`
    const trustingProgram = await this.#launch(
      'istio-router',
      {
        ...common,
        name: beside,
        zone: 'z2',
        cache: join(this.folder, beside),
        trustedCidrs: ['127.0.0.0/8'],
        listeners: [listener('http', trusting)],
      },
      beside,
    )
    const accessLog = (): Record<string, unknown>[] => jsonLines(program.output).filter((line) => 'duration_ms' in line)
    this.routers.set(engine, {
      engine,
      http,
      https,
      internal,
      internalTls,
      internalOptional,
      proxied,
      gatewayPorts,
      trusting,
      ca: this.#authority.pair.certificate,
      program,
      accessLog,
    })
    return [program, trustingProgram]
  }

  /** Kills pilot and starts it again; routers come back to it by themselves. */
  async restartPilot(): Promise<void> {
    const [before] = this.#programs.splice(
      this.#programs.findIndex(({ name }) => name === 'pilot'),
      1,
    )
    await before!.stop('SIGKILL')
    await (await this.#launch('pilot', this.#pilot)).ready()
  }

  async #launch(program: string, config: object, name = program): Promise<TestProgram> {
    const started = await TestProgram.start(program, config, this.folder, name)
    this.#programs.push(started)
    return started
  }

  async #send(method: 'PUT' | 'POST', path: string, body: string): Promise<void> {
    const answer = await request(`${this.#copilot}${path}`, {
      method,
      body,
      dispatcher: this.#syncer,
      headers: { 'content-type': method === 'PUT' ? 'application/x-ndjson' : 'application/json' },
    })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`)
  }

  #pem(name: string): { cert: Buffer; key: Buffer; ca: Buffer } {
    const files = this.#authority.issue(name)
    return { cert: readFileSync(files.certificate), key: readFileSync(files.key), ca: readFileSync(files.ca) }
  }
}

/** apiVersion and kind of an Istio resource. */
export const typed = (kind: string): { apiVersion: string; kind: string } => ({ apiVersion: 'networking.istio.io/v1', kind })

function withoutCa<Files extends { ca: string }>({ ca: _ca, ...files }: Files): Omit<Files, 'ca'> {
  return files
}

function jsonLines(output: string): Record<string, unknown>[] {
  return output.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Record<string, unknown>]
    } catch {
      return []
    }
  })
}
