import { isIP } from 'node:net'
import type { Destination, Instance, InstancePort, Process, Route } from './records.ts'

/** What is known of Diego. */
export interface Diego {
  process: (guid: string) => Pick<Process, 'instances'> | undefined
  /** The instances of a process by guid. */
  instances: (process: string) => Iterable<[guid: string, instance: Instance]>
}

/** An instance that a route sends to. */
export interface Server {
  /** Guid of the instance, which its certificate must bear. */
  guid: string
  app: string
  process: string
  index: number
  address: string
  /** Port of the instance's TLS proxy. */
  port: number
  /** Availability zone, empty where unknown. */
  zone: string
  /** Position of the destination that it serves. */
  destination: number
  since: string
}

/** An instance or process that a route names, and why nothing is sent to it. */
export interface LeftOut {
  process: string
  guid?: string
  reason: string
}

/** Whom a route sends to, ordered by destination and index, and whom not. */
export interface Serving {
  servers: Server[]
  leftOut: LeftOut[]
}

/** Finds the instances that serve a route. An address serves once: where two claim it, the newer has it. */
export function servingOf(route: Pick<Route, 'destinations'>, diego: Diego): Serving {
  const leftOut: LeftOut[] = []
  const byAddress = new Map<string, Server>()
  for (const server of serversOf(route.destinations, diego, leftOut)) {
    const address = `${server.address} ${server.port}`
    const rival = byAddress.get(address)
    const [kept, dropped] = !rival || newer(server, rival) ? [server, rival] : [rival, server]
    byAddress.set(address, kept)
    if (!dropped || dropped.guid === kept.guid) continue
    leftOut.push({ process: dropped.process, guid: dropped.guid, reason: `instance ${kept.guid} has its address since later` })
  }
  const servers = [...byAddress.values()].sort((a, b) => a.destination - b.destination || a.index - b.index || (a.guid < b.guid ? -1 : 1))
  return { servers, leftOut }
}

/**
 * The part of the requests that each destination gets: by weights where there are any, one without counting as 1, else by its number of
 * servers.
 */
export function sharesOf(destinations: Pick<Destination, 'weight'>[], servers: Pick<Server, 'destination'>[]): number[] {
  const counts = destinations.map((_, position) => servers.filter(({ destination }) => destination === position).length)
  const weighted = destinations.some(({ weight }) => weight !== undefined)
  const parts = destinations.map(({ weight = 1 }, position) => (weighted && counts[position] ? weight : counts[position]!))
  const total = parts.reduce((sum, part) => sum + part, 0)
  return parts.map((part) => (total ? part / total : 0))
}

function serversOf(destinations: Destination[], diego: Diego, leftOut: LeftOut[]): Server[] {
  const servers: Server[] = []
  for (const [position, { app, port: wantedPort, processes }] of destinations.entries()) {
    for (const process of processes) {
      const wanted = diego.process(process)?.instances
      if (wanted === undefined) {
        leftOut.push({ process, reason: 'Diego is not to run this process' })
        continue
      }
      for (const [guid, instance] of diego.instances(process)) {
        const { index, address, since, zone } = instance
        const port = instance.ports.find(({ app }) => app === wantedPort)
        const fault =
          index >= wanted ? `index ${index} is not below the ${wanted} instances wanted` : unreachable(guid, instance, port, wantedPort)
        if (fault === undefined) servers.push({ guid, app, process, index, address, port: port!.tls, zone, destination: position, since })
        else leftOut.push({ process, guid, reason: fault })
      }
    }
  }
  return servers
}

/** Guids that can be a DNS name, which the instance's identity is checked by. */
const identity = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/

function unreachable(guid: string, { address, ports }: Instance, port: InstancePort | undefined, wanted: number): string | undefined {
  if (!port) return `it has no port ${wanted}; it has ${ports.map((port) => port.app).join(', ') || 'none'}`
  if (port.tls < 1 || port.tls > 65535) return `its port ${wanted} has no TLS proxy, without which its identity cannot be checked`
  if (!isIP(address)) return `${JSON.stringify(address)} is no IP address`
  if (!identity.test(guid)) return `its guid is no name that a certificate can bear`
  return undefined
}

function newer(one: Server, other: Server): boolean {
  const [left, right] = [decimal(one.since), decimal(other.since)]
  return left === right ? one.guid > other.guid : left > right
}

function decimal(digits: string): bigint {
  return /^\d+$/.test(digits) ? BigInt(digits) : 0n
}
