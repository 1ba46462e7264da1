import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { create, fromBinary, toBinary, type MessageShape } from '@bufbuild/protobuf'
import { Registry } from 'prom-client'
import type { Test } from 'tap'
import { Value } from 'typebox/value'
import { createLogger } from '../../../src/common/log.ts'
import { createAuthority, issueCertificate, type KeyPair } from '../../../src/common/pki.ts'
import { ClusterSchema } from '../../../src/common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { SecretSchema } from '../../../src/common/proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { encodeResource, typeUrls, type Refusal, type Resource } from '../../../src/common/xds/resources.ts'
import { EmbeddedEngine } from '../../../src/istio-router/embedded/engine.ts'
import { routeKey, type Change, type Exposure, type RouteOptions } from '../../../src/mesh/records.ts'
import { resourcesFor } from '../../../src/pilot/translate/per-router.ts'
import { readNode } from '../../../src/pilot/translate/router-node.ts'
import { TranslationSettings } from '../../../src/pilot/translate/settings.ts'
import { Translator } from '../../../src/pilot/translate/translator.ts'
import { TestInstance, type InstanceOptions } from '../../support/instance.ts'
import { freePort } from '../../support/program.ts'

export interface RouterOptions {
  /** pilot's translation settings. */
  settings?: Partial<TranslationSettings>
  trustedHops?: number
  trustedCidrs?: string[]
  /** Names on the certificates of the HTTPS listener, one keypair each. */
  keypairs?: string[]
}

export interface AppOptions extends Pick<InstanceOptions, 'identity' | 'handler' | 'http2Handler'> {
  host?: string
  path?: string
  exposure?: Exposure
  instances?: number
  options?: RouteOptions
  /** Changes the cluster that pilot made. */
  cluster?: (cluster: MessageShape<typeof ClusterSchema>) => void
}

const routerAuthority = createAuthority('router CA')
const identities = createAuthority('instance CA')
const client = issueCertificate(routerAuthority, { commonName: 'router', dns: ['gorouter.service.cf.internal'], usages: ['client'] })
export const serverAuthority = createAuthority('server CA')

/** An embedded engine with the very resources that pilot's translator makes, and app instances behind it. */
export class TestRouter {
  readonly engine: EmbeddedEngine
  readonly metrics = new Registry()
  readonly http: number
  readonly https: number
  readonly internal: number
  readonly proxied: number
  listeners: Resource[] = []
  readonly #translator: Translator
  readonly #log = new PassThrough()
  readonly #instances: TestInstance[] = []
  #lines = ''
  #apps = 0

  private constructor(settings: TranslationSettings, ports: number[]) {
    const [http, https, internal, proxied] = ports as [number, number, number, number]
    Object.assign(this, { http, https, internal, proxied })
    this.http = http
    this.https = https
    this.internal = internal
    this.proxied = proxied
    this.#translator = new Translator(settings)
    this.#log.on('data', (chunk: Buffer) => (this.#lines += chunk.toString()))
    this.engine = new EmbeddedEngine({ log: createLogger('test', 'silent'), metrics: this.metrics, accessLog: this.#log })
  }

  /** Starts one that is stopped with the test. */
  static async start(
    t: Test,
    { settings = {}, trustedHops = 0, trustedCidrs = [], keypairs = ['mesh.test'] }: RouterOptions = {},
  ): Promise<TestRouter> {
    const ports = [await freePort(), await freePort(), await freePort(), await freePort()]
    const full = Value.Default(TranslationSettings, { ...settings }) as TranslationSettings
    const router = new TestRouter(full, ports)
    t.teardown(() => router.stop())
    const listener = (name: string, port: number, more: object = {}) => ({ name, address: '127.0.0.1', port, ...more })
    const node = readNode('test', {
      listeners: [
        listener('http', router.http),
        listener('https', router.https, { tls: true }),
        listener('internal', router.internal, { exposure: 'int' }),
        listener('proxied', router.proxied, { proxyProtocol: true }),
      ],
      keypairs,
      trustedHops,
      trustedCidrs,
      accessLog: '/dev/stdout',
    })
    await router.engine.start()
    const secrets = [
      keypairSecret('backend/client', client),
      caSecret('backend/ca', identities.certificate),
      ...keypairs.map((name) => serverSecret(name)),
    ]
    router.listeners = resourcesFor(node, full)
    const refusals = await router.apply([...secrets, ...router.listeners, ...router.#translator.constants])
    if (refusals.length > 0) throw new Error(refusals.map(({ name, reason }) => `${name}: ${reason}`).join('\n'))
    return router
  }

  apply(changed: Resource[], removed: { typeUrl: string; name: string }[] = []): Promise<Refusal[]> {
    return this.engine.apply({ changed, removed })
  }

  async stop(): Promise<void> {
    await this.engine.stop()
    await Promise.all(this.#instances.map((instance) => instance.stop()))
  }

  /** Applies records as pilot would, with `cluster` to change its clusters. */
  async change(changes: Change[], cluster?: AppOptions['cluster']): Promise<Refusal[]> {
    const { changed, removed } = this.#translator.apply(changes)
    return this.apply(cluster ? changed.map((resource) => mutate(resource, cluster)) : changed, removed)
  }

  /** An app with running instances on a route of its own. */
  async serve(options: AppOptions = {}): Promise<{
    host: string
    key: string
    app: string
    instances: TestInstance[]
    add: (more?: Pick<InstanceOptions, 'identity'>) => Promise<TestInstance>
    remove: (instance: TestInstance) => Promise<unknown>
  }> {
    const app = `app-${++this.#apps}`
    const host = options.host ?? `${app}.mesh.test`
    const { path = '', exposure = 'pub', handler, http2Handler } = options
    const instances: TestInstance[] = []
    const destinations = [
      { app, type: 'web', port: 8080, protocol: http2Handler ? ('http2' as const) : ('http1' as const), processes: [`${app}-1`] },
    ]
    const key = routeKey({ host, path, exposure })
    const route = {
      kind: 'route' as const,
      key,
      value: { host, path, exposure, space: 'space', labels: {}, options: options.options ?? {}, destinations },
    }
    const add = async (more: Pick<InstanceOptions, 'identity'> = {}): Promise<TestInstance> => {
      const instance = await TestInstance.start({
        index: instances.length,
        identities,
        routerCa: routerAuthority.certificate,
        handler,
        http2Handler,
        identity: options.identity,
        ...more,
      })
      instances.push(instance)
      this.#instances.push(instance)
      await this.change([
        { kind: 'process', key: `${app}-1`, value: { app, type: 'web', instances: instances.length } },
        { kind: 'instance', key: instance.guid, value: instance.record(`${app}-1`) },
      ])
      return instance
    }
    await this.change([route], options.cluster)
    for (let i = 0; i < (options.instances ?? 1); i++) await add()
    return { host, key, app, instances, add, remove: (instance) => this.change([{ kind: 'instance', key: instance.guid, value: null }]) }
  }

  /** The lines of the access log so far. */
  accessLog(): Record<string, unknown>[] {
    return this.#lines
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** The first access log line that `fits`, waiting for it. */
  async logged(fits: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    for (;;) {
      const line = this.accessLog().find(fits)
      if (line) return line
      await once(this.#log, 'data')
    }
  }
}

function mutate(resource: Resource, change: NonNullable<AppOptions['cluster']>): Resource {
  if (resource.typeUrl !== typeUrls.cluster) return resource
  const cluster = fromBinary(ClusterSchema, resource.any.value)
  change(cluster)
  return encodeResource(ClusterSchema, resource.name, fromBinary(ClusterSchema, toBinary(ClusterSchema, cluster)))
}

/** The secret of a keypair, as the agent makes it. */
export function keypairSecret(name: string, { certificate, key }: KeyPair): Resource {
  const data = (text: string) => ({ specifier: { case: 'inlineString' as const, value: text } })
  return encodeResource(
    SecretSchema,
    name,
    create(SecretSchema, { name, type: { case: 'tlsCertificate', value: { certificateChain: data(certificate), privateKey: data(key) } } }),
  )
}

/** The secret of the HTTPS listener's keypair `name`, with a certificate for that name and all below it. */
export function serverSecret(name: string, commonName = name): Resource {
  return keypairSecret(`tls/${name}`, issueCertificate(serverAuthority, { commonName, dns: [name, `*.${name}`], usages: ['server'] }))
}

/** The secret of CAs. */
export function caSecret(name: string, ca: string): Resource {
  return encodeResource(
    SecretSchema,
    name,
    create(SecretSchema, {
      name,
      type: { case: 'validationContext', value: { trustedCa: { specifier: { case: 'inlineString', value: ca } } } },
    }),
  )
}
