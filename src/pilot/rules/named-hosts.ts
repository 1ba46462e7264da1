import { systemNamespace } from '../../mesh/istio/kinds.ts'
import type { Resource } from '../../mesh/istio/types.ts'
import type { Model, Touched } from '../model/model.ts'
import { fact, hostsOf, name, recordName, type Name } from '../../mesh/rules/names.ts'
import { matches } from '../../mesh/rules/gateways.ts'

/** Finds the hosts that a change of names or of what is written may concern. */
export class NamedHosts {
  readonly #model: Model

  constructor(model: Model) {
    this.#model = model
  }

  /** The hosts of routes, and of entries, that resources of `kinds` name by what was touched; a wildcard names all beneath it. */
  written({ resources }: Touched, kinds: Resource['kind'][]): Set<string> {
    const all = kinds.flatMap((kind) => [...(resources.get(kind)?.values() ?? [])])
    const patterns = [...new Set(all.flatMap(({ host }) => (isPattern(host) ? [host] : [])))]
    const found = new Set<string>()
    for (const { host, namespace } of all) {
      if (isPattern(host)) continue
      found.add(host)
      for (const app of this.#appsCalled(host, namespace))
        for (const key of this.#model.keysOf(name.destination(app))) found.add(this.#model.get('route', key)!.host)
    }
    // Wildcards are looked for among all hosts, which a change of such a resource alone costs.
    if (patterns.length)
      for (const { host } of this.#model.all('route').values()) if (patterns.some((pattern) => matches(pattern, host))) found.add(host)
    return found
  }

  /**
   * Guids of the apps that a host, `NAME` or `NAME.SPACE…`, may mean by their name or label: any space's for the operator, which a change
   * of such a resource alone costs.
   */
  #appsCalled(host: string, namespace: string): Iterable<string> {
    const [called = ''] = host.split('.', 1)
    if (namespace !== systemNamespace) return this.#model.keysOf(name.service(namespace, called))
    const isCalled = (text: string | undefined): boolean => text?.toLowerCase() === called
    return [...this.#model.all('app')].flatMap(([guid, app]) => (isCalled(app.name) || isCalled(app.labels['app']) ? [guid] : []))
  }

  /** Keys of the routes that may answer for other services than before: by what an app, its space or its organization is called. */
  renamed({ names }: Touched): Set<string> {
    const routes = new Set<string>()
    const add = (having: Name): void => {
      for (const key of this.#model.keysOf(having)) routes.add(key)
    }
    for (const touched of names) {
      const [kind, key] = [touched.slice(0, touched.indexOf(' ')), touched.slice(touched.indexOf(' ') + 1)]
      if (kind === 'service') for (const app of this.#model.keysOf([kind, key])) add(name.destination(app))
      else if (kind === 'app') add(name.destination(key))
      else if (kind === 'space') add(name.owned(key))
      else if (kind === 'organization') for (const space of this.#model.keysOf(name.spacesIn(key))) add(name.owned(space))
    }
    return routes
  }

  /** Hosts of the ServiceEntries of spaces that come or go. */
  *left({ names }: Touched): Generator<string> {
    for (const touched of names) {
      if (!touched.startsWith(spaceRecord)) continue
      for (const key of this.#model.keysOf(name.entries(touched.slice(spaceRecord.length))))
        yield* hostsOf(this.#model.get('resource', key)!)
    }
  }

  /** Keys of the routes that a wildcard of the operator's may shape now, since there is room. */
  *reached({ names }: Touched): Generator<string> {
    for (const touched of names) if (touched.startsWith(beyond)) yield* this.#model.keysOf(name.host(touched.slice(beyond.length)))
  }
}

const beyond = fact.beyond('')
const spaceRecord = recordName('space', '')
const isPattern = (host: string): boolean => host.startsWith('*')
