import { status, type ServerDuplexStream } from '@grpc/grpc-js'
import type { Registry } from 'prom-client'
import type { Condition } from '../../common/health.ts'
import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import type { Node } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import { dnsNames } from '../../common/tls.ts'
import type { ResourceCache } from '../../common/xds/cache.ts'
import { serverCredentials } from '../../common/xds/credentials.ts'
import { emptyHeader } from '../../common/xds/protocol.ts'
import type { Resource } from '../../common/xds/resources.ts'
import { DeltaServer, type ClientStatus } from '../../common/xds/server.ts'
import type { PilotConfig } from '../config.ts'
import type { RouteIsolation } from './isolation.ts'
import { resourcesFor, type Gateways } from '../translate/per-router.ts'
import { readNode } from '../translate/router-node.ts'

export interface AdsServerOptions {
  config: Pick<PilotConfig, 'listen' | 'tls' | 'clientName' | 'translation'>
  cache: ResourceCache
  /** False until there is something whole to serve; until then routers are sent away, to another pilot or to try again. */
  ready: () => boolean
  /**
   * Whether what is to be served is on its way into the cache: then routers that have nothing are served already, with all but listeners
   * and routes.
   */
  filling?: () => boolean
  /** Keeps what a router refuses of route configurations from holding up the rest. */
  isolation?: Pick<RouteIsolation, 'resourcesFor' | 'acknowledged' | 'refused'>
  /** What Gateways ask of routers now. */
  gateways?: () => Gateways
  log: Logger
  metrics: Registry
}

const notYet = 'pilot has not heard all from copilot yet'

/** How often it is looked whether all is there, while routers wait for it; milliseconds. */
const lookEvery = 50

/** Serves routers by delta ADS over mutual TLS. */
export class AdsServer implements Part {
  readonly name = 'ads'
  readonly #options: AdsServerOptions
  readonly #server: DeltaServer
  #stopWatching: (() => void) | undefined
  /** Runs while routers are served before all is there. */
  #early: NodeJS.Timeout | undefined
  #port: number | undefined

  constructor(options: AdsServerOptions) {
    this.#options = options
    const { cache, log, metrics } = options
    this.#server = new DeltaServer({
      cache,
      log,
      metrics,
      admit: (call, has) => this.#admit(call, has),
      perNode: (node) => this.#resourcesFor(node),
      onAcknowledged: (router, resources) => options.isolation?.acknowledged(router, resources),
      onRefused: (router, refusals, held) => options.isolation?.refused(router, refusals, held),
    })
  }

  async start(): Promise<void> {
    const { listen, tls } = this.#options.config
    const { credentials, stop } = serverCredentials(tls)
    this.#stopWatching = stop
    this.#port = await this.#server.listen(`${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${listen.port}`, credentials)
    this.#options.log.info({ ...listen, port: this.#port }, 'serving routers')
  }

  async stop(): Promise<void> {
    this.#stopWatching?.()
    clearInterval(this.#early)
    this.#server.close()
  }

  /** The port that it listens on. */
  get port(): number | undefined {
    return this.#port
  }

  /** Gives each router what depends on it anew: to be called when `gateways` gives something else. */
  refresh(): void {
    this.#server.refresh()
  }

  routers(): ClientStatus[] {
    return this.#server.clients()
  }

  /** The labels of each router, by which Gateways choose. */
  labels(): Record<string, string>[] {
    return this.#server.nodes().map(({ id, metadata }) => readNode(id, metadata).labels)
  }

  get epoch(): number {
    return this.#server.epoch
  }

  answered(): number {
    return this.#server.answered()
  }

  condition(): Condition {
    const routers = this.routers()
    const refused = routers.filter((router) => router.refused.length).map(({ name }) => name)
    return { ready: true, reason: refused.length ? `refuse resources: ${refused.join(', ')}` : undefined, routers: routers.length }
  }

  /** Listeners come last: a router opens its ports once it has all that there is. */
  #resourcesFor({ id, metadata }: Node): Resource[] {
    const { config, gateways, isolation, ready } = this.#options
    const node = readNode(id, metadata)
    return ready() ? [...resourcesFor(node, config.translation, gateways?.()), ...(isolation?.resourcesFor(id) ?? [])] : []
  }

  #admit(call: ServerDuplexStream<unknown, unknown>, has: boolean): { code: status; details: string } | undefined {
    const { config, ready, filling } = this.#options
    const names = dnsNames(call.getAuthContext().sslPeerCertificate)
    if (!names.includes(config.clientName))
      return {
        code: status.PERMISSION_DENIED,
        details: `the client's certificate is for ${names.join(', ') || 'no name'}, not ${config.clientName}`,
      }
    if (ready()) return undefined
    if (!filling?.() || has || call.metadata.get(emptyHeader)[0] !== 'true') return { code: status.UNAVAILABLE, details: notYet }
    this.#early ??= setInterval(() => this.#settle(), lookEvery)
    return undefined
  }

  /** Gives routers that came early the rest as soon as all is there, and sends them away if it does not come. */
  #settle(): void {
    const { ready, filling } = this.#options
    if (!ready() && filling?.()) return
    clearInterval(this.#early)
    this.#early = undefined
    if (ready()) this.#server.refresh()
    else this.#server.dismiss(notYet)
  }
}
