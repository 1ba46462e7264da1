import { execFileSync } from 'node:child_process'
import { constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fromBinary, fromJsonString } from '@bufbuild/protobuf'
import { timestampMs, type Duration } from '@bufbuild/protobuf/wkt'
import type { Logger } from '../../common/log.ts'
import { ClusterSchema } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { ClusterLoadAssignmentSchema } from '../../common/proto/gen/envoy/config/endpoint/v3/endpoint_pb.js'
import {
  Action,
  OutlierDetectionEventSchema,
  OutlierEjectionType,
} from '../../common/proto/gen/envoy/data/cluster/v3/outlier_detection_event_pb.js'
import { messageOf } from '../../common/problem.ts'
import type { ResourceCache } from '../../common/xds/cache.ts'
import { typeUrls, type ResourceUpdate } from '../../common/xds/resources.ts'
import type { Ejections, EjectionTimes } from '../ejections.ts'

interface OutlierLogOptions {
  cache: Pick<ResourceCache, 'get' | 'watch'>
  ejections: Ejections
  log: Logger
}

/**
 * Envoy's outlier event log, read as it is written: a named pipe, so that nothing grows and nothing has to be rotated. An event is an
 * `envoy.data.cluster.v3.OutlierDetectionEvent` as JSON, a line each.
 */
export class OutlierLog {
  readonly #options: OutlierLogOptions
  #pipe: Socket | undefined

  constructor(options: OutlierLogOptions) {
    this.#options = options
    options.cache.watch((update) => this.#follow(update))
  }

  /** Makes the pipe at `path`. Open for both ends, so that it stays while Envoy is started anew. */
  open(path: string): void {
    execFileSync('mkfifo', ['-m', '600', path])
    this.#pipe = new Socket({ fd: openSync(path, constants.O_RDWR | constants.O_NONBLOCK), readable: true, writable: false })
    createInterface({ input: this.#pipe }).on('line', (line) => this.#read(line))
  }

  close(): void {
    this.#pipe?.destroy()
  }

  /** Forgets what an update takes away: Envoy makes a changed cluster anew, with all of its instances in it. */
  #follow({ changed, removed }: ResourceUpdate): void {
    const { ejections } = this.#options
    for (const { typeUrl, name } of [...changed, ...removed]) {
      if (typeUrl === typeUrls.cluster) ejections.forget(name)
      if (typeUrl === typeUrls.endpoint) ejections.keep(name, () => this.#addresses(name).map(([address]) => address))
    }
  }

  #read(line: string): void {
    const { ejections, log } = this.#options
    try {
      const {
        clusterName: cluster,
        upstreamUrl: address,
        action,
        type,
        enforced,
        timestamp,
      } = fromJsonString(OutlierDetectionEventSchema, line, { ignoreUnknownFields: true })
      const at = timestamp ? timestampMs(timestamp) : Date.now()
      const instance = new Map(this.#addresses(cluster)).get(address)
      if (instance === undefined) return
      const cause = OutlierEjectionType[type].toLowerCase().replaceAll('_', '-')
      if (action === Action.UNEJECT) ejections.returned(cluster, address, at)
      else if (enforced) ejections.ejected({ cluster, address, instance, cause }, this.#times(cluster), at)
      else return
      log.info({ cluster, instance, address, cause }, action === Action.EJECT ? 'instance ejected' : 'instance asked again')
    } catch (error) {
      log.warn({ reason: messageOf(error), line: line.slice(0, 1000) }, "cannot read Envoy's outlier event log")
    }
  }

  /** The addresses of a cluster's endpoints, each with its instance. */
  #addresses(cluster: string): [address: string, instance: string][] {
    const assignment = this.#options.cache.get(typeUrls.endpoint, cluster)
    if (!assignment) return []
    return fromBinary(ClusterLoadAssignmentSchema, assignment.any.value).endpoints.flatMap(({ lbEndpoints }) =>
      lbEndpoints.flatMap(({ hostIdentifier }): [string, string][] => {
        const endpoint = hostIdentifier.case === 'endpoint' ? hostIdentifier.value : undefined
        const socket = endpoint?.address?.address
        if (!endpoint || socket?.case !== 'socketAddress') return []
        const { address, portSpecifier } = socket.value
        return [[`${address.includes(':') ? `[${address}]` : address}:${portSpecifier.value}`, endpoint.hostname]]
      }),
    )
  }

  #times(cluster: string): EjectionTimes {
    const resource = this.#options.cache.get(typeUrls.cluster, cluster)
    const outlier = resource && fromBinary(ClusterSchema, resource.any.value).outlierDetection
    const base = millis(outlier?.baseEjectionTime, 30_000)
    return { interval: millis(outlier?.interval, 10_000), base, most: millis(outlier?.maxEjectionTime, 300_000) }
  }
}

const millis = (duration: Duration | undefined, usual: number): number =>
  duration ? Number(duration.seconds) * 1000 + duration.nanos / 1e6 : usual
