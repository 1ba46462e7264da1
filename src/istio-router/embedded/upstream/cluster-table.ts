import type { ClusterConfig } from '../resources/cluster.ts'
import type { EndpointConfig } from '../resources/endpoints.ts'
import { Cluster, type ClusterContext } from './cluster.ts'

/**
 * All clusters with their endpoints, in whatever order both arrive. As in Envoy a cluster is there for requests only once its endpoints
 * have come, be it none at all; until then the one before it by that name serves on.
 */
export class ClusterTable {
  readonly byName = new Map<string, Cluster>()
  /** Clusters that wait for their first endpoints. */
  readonly #warming = new Map<string, Cluster>()
  /** Clusters by the name of their ClusterLoadAssignment. */
  readonly #users = new Map<string, Set<Cluster>>()
  /** The endpoints that came, by the name of their ClusterLoadAssignment. */
  readonly #endpoints = new Map<string, readonly EndpointConfig[]>()
  readonly #context: ClusterContext

  constructor(context: ClusterContext) {
    this.#context = context
  }

  set(config: ClusterConfig): void {
    const { name, service } = config
    const known = this.#warming.get(name) ?? this.byName.get(name)
    if (known?.config.service === service) {
      known.update(config)
      return
    }
    this.#forget(this.#warming, name)
    const cluster = new Cluster(config, this.#context)
    if (config.endpoints) {
      this.#serve(cluster)
      return
    }
    const users = this.#users.get(service)
    if (users) users.add(cluster)
    else this.#users.set(service, new Set([cluster]))
    this.#warming.set(name, cluster)
    const endpoints = this.#endpoints.get(service)
    if (endpoints) this.#fill(cluster, endpoints)
  }

  delete(name: string): void {
    this.#forget(this.#warming, name)
    this.#forget(this.byName, name)
  }

  setEndpoints(service: string, endpoints: EndpointConfig[]): void {
    this.#endpoints.set(service, endpoints)
    for (const cluster of this.#users.get(service) ?? []) {
      this.#fill(cluster, endpoints)
      // One object of each is enough, unless its weight is that of the moment.
      if (!cluster.config.balancer.slowStart) this.#endpoints.set(service, cluster.endpoints)
    }
  }

  deleteEndpoints(service: string): void {
    this.#endpoints.delete(service)
    for (const cluster of this.#users.get(service) ?? []) cluster.setEndpoints([])
  }

  #fill(cluster: Cluster, endpoints: readonly EndpointConfig[]): void {
    cluster.setEndpoints(endpoints)
    const { name } = cluster.config
    if (this.#warming.get(name) !== cluster) return
    this.#warming.delete(name)
    this.#serve(cluster)
  }

  #serve(cluster: Cluster): void {
    const { name } = cluster.config
    this.#forget(this.byName, name)
    this.byName.set(name, cluster)
  }

  #forget(clusters: Map<string, Cluster>, name: string): void {
    const cluster = clusters.get(name)
    if (!cluster) return
    clusters.delete(name)
    cluster.retire()
    const { service } = cluster.config
    const users = this.#users.get(service)
    if (users?.delete(cluster) && users.size === 0) this.#users.delete(service)
  }
}
