import type { Resource } from '../../mesh/istio/types.ts'
import type { Model, Touched } from '../model/model.ts'
import { name } from '../model/names.ts'
import { matches } from './gateways.ts'

/** The domains of the model's routes, so that a service's short name leads to the hosts that begin with it. */
export class NamedHosts {
  readonly #model: Model

  constructor(model: Model) {
    this.#model = model
  }

  /** The hosts of routes, and of entries, that resources of `kinds` name by what was touched; a wildcard names all beneath it. */
  touched({ resources }: Touched, kinds: Resource['kind'][]): Set<string> {
    const written = new Set(kinds.flatMap((kind) => [...(resources.get(kind) ?? [])]))
    const exact = [...written].filter((host) => !isPattern(host))
    const patterns = [...written].filter(isPattern)
    const found = new Set(exact.filter((host) => this.#exists(host)))
    if (!patterns.length && exact.length === found.size) return found
    // Short names and wildcards are looked for among all hosts, which a change of such a resource alone costs.
    const labels = new Set(exact.map((host) => host.split('.')[0]))
    for (const { host } of this.#model.all('route').values()) {
      if (labels.has(host.split('.', 1)[0]) || patterns.some((pattern) => matches(pattern, host))) found.add(host)
    }
    return new Set([...found, ...exact])
  }

  #exists(host: string): boolean {
    return [name.host(host), name.resources('ServiceEntry', host)].some((name) => !this.#model.keysOf(name)[Symbol.iterator]().next().done)
  }
}

const isPattern = (host: string): boolean => host.startsWith('*')
