import type { Resource } from '../../mesh/istio/types.ts'
import type { App, Route } from '../../mesh/records.ts'
import { hostsOf } from '../../mesh/rules/names.ts'
import { wildcardsOf } from '../../mesh/rules/hosts.ts'

type Kind = Resource['kind']

/**
 * The hosts that resources name, by the first label, and the wildcards. Nearly all routes are named by none: a few look-ups here tell so,
 * where to find the rules of a route takes a look-up for each way to write it, which at 100,000 routes is most of the work of a start.
 */
export class Mentions {
  readonly #count = new Map<string, number>()
  readonly #wildcards = new Map<Kind, number>()

  add(resource: Resource): void {
    this.#note(resource, 1)
  }

  delete(resource: Resource): void {
    this.#note(resource, -1)
  }

  /** Whether a resource of `kind` may name the route: false where none does. */
  mayName(kind: Kind, { host, destinations }: Pick<Route, 'host' | 'destinations'>, appOf: (guid: string) => App | undefined): boolean {
    if (!this.#count.size) return false
    const isNamed = (name: string): boolean => this.#count.has(`${kind} ${name}`)
    if (isNamed(firstLabel(host))) return true
    for (const { app: guid } of destinations) {
      const app = appOf(guid)
      if (app && [app.name, app.labels['app']].some((name) => name !== undefined && isNamed(firstLabel(name.toLowerCase())))) return true
    }
    return this.#wildcards.has(kind) && [host, ...wildcardsOf(host)].some(isNamed)
  }

  #note(resource: Resource, by: 1 | -1): void {
    for (const host of hostsOf(resource)) {
      const wildcard = host.startsWith('*')
      increase(this.#count, `${resource.kind} ${wildcard ? host : firstLabel(host)}`, by)
      if (wildcard) increase(this.#wildcards, resource.kind, by)
    }
  }
}

function firstLabel(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? name : name.slice(0, dot)
}

function increase<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count) counts.set(key, count)
  else counts.delete(key)
}
