import type { ClusterConfig } from '../resources/cluster.ts'
import type { EndpointConfig } from '../resources/endpoints.ts'
import { Cluster } from './cluster.ts'

/** All clusters with their endpoints, in whatever order both arrive. */
export class ClusterTable {
  readonly byName = new Map<string, Cluster>()
  /** Clusters by the name of their ClusterLoadAssignment. */
  readonly #users = new Map<string, Cluster[]>()
  /** Endpoints that no cluster asks for (yet). */
  readonly #unused = new Map<string, readonly EndpointConfig[]>()

  set(config: ClusterConfig): void {
    const { name, service } = config
    const known = this.byName.get(name)
    if (known?.config.service === service) {
      known.update(config)
      return
    }
    if (known) this.delete(name)
    const cluster = new Cluster(config)
    this.byName.set(name, cluster)
    if (config.endpoints) return
    const users = this.#users.get(service)
    const endpoints = users?.[0]?.endpoints ?? this.#unused.get(service)
    this.#unused.delete(service)
    if (endpoints) cluster.setEndpoints(endpoints)
    if (users) users.push(cluster)
    else this.#users.set(service, [cluster])
  }

  delete(name: string): void {
    const cluster = this.byName.get(name)
    if (!cluster) return
    this.byName.delete(name)
    cluster.retire()
    const { service } = cluster.config
    const users = this.#users.get(service)?.filter((user) => user !== cluster) ?? []
    if (users.length > 0) {
      this.#users.set(service, users)
      return
    }
    this.#users.delete(service)
    if (!cluster.config.endpoints && cluster.endpoints.length > 0) this.#unused.set(service, cluster.endpoints)
  }

  setEndpoints(service: string, endpoints: EndpointConfig[]): void {
    const users = this.#users.get(service)
    if (users) for (const cluster of users) cluster.setEndpoints(endpoints)
    else this.#unused.set(service, endpoints)
  }

  deleteEndpoints(service: string): void {
    this.#unused.delete(service)
    for (const cluster of this.#users.get(service) ?? []) cluster.setEndpoints([])
  }
}
