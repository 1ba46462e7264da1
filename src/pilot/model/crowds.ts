import type { Resource } from '../../mesh/istio/types.ts'
import { matches } from '../../mesh/rules/gateways.ts'
import { systemNamespace } from '../../mesh/istio/kinds.ts'
import { mostBeneath } from '../../mesh/rules/hosts.ts'
import { fact, hostsOf } from '../../mesh/rules/names.ts'

interface Crowd {
  /** How many hosts of resources are written so. */
  written: number
  /** The routes' hosts beneath it, by name. */
  hosts: string[]
}

/** What changed of which hosts the operator's wildcards shape, as facts. */
export type Touch = (name: string) => unknown

/**
 * The hosts beneath each wildcard of the operator's, of which it shapes the first `mostBeneath` by name: the same on every pilot, whatever
 * came first.
 */
export class Crowds {
  readonly #crowds = new Map<string, Crowd>()

  /** Puts the wildcards of a resource in place of those that it had; `hosts` are all that routes have, each once. */
  write(before: Resource | undefined, after: Resource | null, hosts: () => Iterable<string>): void {
    for (const wildcard of wildcardsOf(after)) {
      const crowd = this.#crowds.get(wildcard)
      if (crowd) crowd.written++
      else this.#crowds.set(wildcard, { written: 1, hosts: [...hosts()].filter((host) => isBeneath(host, wildcard)).sort() })
    }
    for (const wildcard of wildcardsOf(before)) if (--this.#crowds.get(wildcard)!.written === 0) this.#crowds.delete(wildcard)
  }

  /** Notes that there is a route of a host now where there was none. */
  add(host: string, touch: Touch): void {
    for (const [wildcard, { hosts }] of this.#beneath(host)) {
      const position = placeOf(hosts, host)
      hosts.splice(position, 0, host)
      moved(wildcard, hosts, position, touch)
    }
  }

  /** Notes that the last route of a host is gone. */
  delete(host: string, touch: Touch): void {
    for (const [wildcard, { hosts }] of this.#beneath(host)) {
      const position = placeOf(hosts, host)
      moved(wildcard, hosts, position, touch)
      hosts.splice(position, 1)
    }
  }

  /** As `Source` says. */
  exceeds(wildcard: string, host: string | undefined): boolean {
    const hosts = this.#crowds.get(wildcard)?.hosts ?? []
    return hosts.length > mostBeneath && (host === undefined || placeOf(hosts, host) >= mostBeneath)
  }

  #beneath(host: string): [string, Crowd][] {
    return [...this.#crowds].filter(([wildcard]) => isBeneath(host, wildcard))
  }
}

/** When a host comes or goes within the bound, one crosses it: that which stands first behind it while both are there. */
function moved(wildcard: string, hosts: string[], position: number, touch: Touch): void {
  if (hosts.length <= mostBeneath) return
  if (position < mostBeneath) touch(fact.beyond(hosts[mostBeneath]!))
  if (hosts.length === mostBeneath + 1) touch(fact.crowded(wildcard))
}

const isBeneath = (host: string, wildcard: string): boolean => host !== wildcard && matches(wildcard, host)

function wildcardsOf(resource: Resource | null | undefined): string[] {
  if (resource?.metadata.namespace !== systemNamespace || (resource.kind !== 'VirtualService' && resource.kind !== 'RateLimit')) return []
  return hostsOf(resource).filter((host) => host.startsWith('*'))
}

/** Where a host stands, or would, among hosts in order. */
function placeOf(hosts: string[], host: string): number {
  let [from, to] = [0, hosts.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (hosts[middle]! < host) from = middle + 1
    else to = middle
  }
  return from
}
