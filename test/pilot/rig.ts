import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { ServerCredentials } from '@grpc/grpc-js'
import { Registry } from 'prom-client'
import { validateConfig } from '../../src/common/config.ts'
import { createLogger } from '../../src/common/log.ts'
import { createAuthority, issueCertificate, type KeyPair } from '../../src/common/pki.ts'
import { SecretSchema } from '../../src/common/proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { encodeResource, type Refusal, type Resource } from '../../src/common/xds/resources.ts'
import { DeltaServer } from '../../src/common/xds/server.ts'
import { resourcesFor } from '../../src/pilot/translate/per-router.ts'
import { readNode, type ListenerSpec } from '../../src/pilot/translate/router-node.ts'
import { TranslationSettings } from '../../src/pilot/translate/settings.ts'
import { freePort } from '../support/program.ts'
import { eventually } from '../support/wait.ts'

const binary = [process.env['MESH_ENVOY'] ?? '', resolve(import.meta.dirname, '../../vendor/envoy')].find((file) => existsSync(file))

/** Why no test can ask the real Envoy, for `skip`; false where one can. */
export const envoyAbsent = binary === undefined ? 'no Envoy: npm run envoy puts it into vendor/' : false

/** Settings with their defaults filled in. */
export const settingsOf = (given: object = {}): TranslationSettings =>
  validateConfig(TranslationSettings, structuredClone(given), 'translation')

export const routerAuthority = createAuthority('routers')
export const instanceAuthority = createAuthority('instances')

/** The secrets that a router's agent serves. */
export function secrets(): Resource[] {
  const inline = (text: string) => ({ specifier: { case: 'inlineString' as const, value: text } })
  const pair = (name: string, { certificate, key }: KeyPair): MessageInitShape<typeof SecretSchema> => ({
    name,
    type: { case: 'tlsCertificate', value: { certificateChain: inline(certificate), privateKey: inline(key) } },
  })
  return [
    pair('tls/default', issueCertificate(routerAuthority, { commonName: 'mesh', dns: ['mesh.test', '*.mesh.test'] })),
    pair('backend/client', issueCertificate(routerAuthority, { commonName: 'gorouter', dns: ['gorouter.service.cf.internal'] })),
    pair('rate-limit/client', issueCertificate(routerAuthority, { commonName: 'gorouter', dns: ['gorouter.service.cf.internal'] })),
    { name: 'backend/ca', type: { case: 'validationContext' as const, value: { trustedCa: inline(instanceAuthority.certificate) } } },
    { name: 'system/ca', type: { case: 'validationContext' as const, value: { trustedCa: inline(instanceAuthority.certificate) } } },
    { name: 'rate-limit/ca', type: { case: 'validationContext' as const, value: { trustedCa: inline(routerAuthority.certificate) } } },
  ].map((secret) => encodeResource(SecretSchema, secret.name ?? '', create(SecretSchema, secret)))
}

export interface RigOptions {
  listeners?: Partial<ListenerSpec>[]
  /** More of the node's metadata. */
  node?: object
  settings?: TranslationSettings
}

/** A real Envoy that takes its configuration from `cache`, over delta ADS. */
export class Rig {
  readonly cache = new ResourceCache()
  /** What Envoy did not take. */
  readonly refused: Refusal[] = []
  /** Of the listeners, in their order. */
  readonly ports: number[] = []
  readonly folder = mkdtempSync(join(tmpdir(), 'mesh-rig-'))
  readonly log: string[] = []
  readonly #server: DeltaServer
  #envoy: ChildProcess | undefined

  private constructor(settings: TranslationSettings) {
    this.#server = new DeltaServer({
      cache: this.cache,
      log: createLogger('rig', 'silent'),
      metrics: new Registry(),
      perNode: ({ id, metadata }) => resourcesFor(readNode(id, metadata), settings),
      onRefused: (_client, refusals) => this.refused.push(...refusals),
    })
  }

  static async start({ listeners = [{}], node = {}, settings = settingsOf() }: RigOptions = {}): Promise<Rig> {
    const rig = new Rig(settings)
    rig.cache.apply({ changed: secrets(), removed: [] })
    const adsPort = await rig.#server.listen('127.0.0.1:0', ServerCredentials.createInsecure())
    const specs: object[] = []
    for (const [position, listener] of listeners.entries()) {
      const port = await freePort()
      rig.ports.push(port)
      specs.push({ name: `l${position}`, address: '127.0.0.1', port, ...listener })
    }
    const metadata = { listeners: specs, keypairs: ['default'], ...node }
    const file = join(rig.folder, 'envoy.json')
    writeFileSync(file, JSON.stringify(bootstrap(adsPort, metadata)))
    const envoy = spawn(binary ?? '', [
      '-c',
      file,
      '--concurrency',
      '1',
      '--use-dynamic-base-id',
      '--base-id-path',
      join(rig.folder, 'id'),
      '-l',
      'warning',
      '--file-flush-interval-msec',
      '50',
    ])
    rig.#envoy = envoy
    for (const stream of [envoy.stdout, envoy.stderr]) stream.on('data', (data: Buffer) => rig.log.push(String(data)))
    return rig
  }

  /** Resolves once Envoy has taken or refused all that is in the cache. */
  async settled(limit = 20_000): Promise<void> {
    const signal = AbortSignal.timeout(limit)
    await this.#server.settled(signal)
    if (signal.aborted) throw new Error(`Envoy did not take its configuration:\n${this.log.join('')}`)
  }

  /** Resolves once the listeners answer. */
  async listening(): Promise<void> {
    for (const port of this.ports)
      await eventually(() =>
        fetch(`http://127.0.0.1:${port}/`).then(
          () => true,
          (error: { cause?: { code?: string } }) => error.cause?.code !== 'ECONNREFUSED',
        ),
      )
  }

  async stop(): Promise<void> {
    const envoy = this.#envoy
    if (envoy?.exitCode === null) {
      envoy.kill('SIGKILL')
      await once(envoy, 'exit')
    }
    this.#server.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function bootstrap(adsPort: number, metadata: object): object {
  const grpc = { grpc_services: [{ envoy_grpc: { cluster_name: 'ads' } }], api_type: 'DELTA_GRPC', transport_api_version: 'V3' }
  return {
    node: { id: 'rig', cluster: 'istio-router', metadata },
    layered_runtime: { layers: [{ name: 'mesh', static_layer: { re2: { max_program_size: { error_level: 32_768 } } } }] },
    dynamic_resources: {
      ads_config: grpc,
      lds_config: { ads: {}, resource_api_version: 'V3' },
      cds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [
        {
          name: 'ads',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'ads',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: adsPort } } } }] }],
          },
        },
      ],
    },
  }
}
