import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { DnsConfig } from '../resources/cluster.ts'
import type { EndpointConfig } from '../resources/endpoints.ts'

/** Looks names up again and again, and tells what addresses they have; those that were last known hold while a name is not found. */
export class Names {
  readonly #config: DnsConfig
  readonly #found: (endpoints: EndpointConfig[]) => void
  readonly #known = new Map<string, string[]>()
  #told: string | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(config: DnsConfig, found: (endpoints: EndpointConfig[]) => void) {
    this.#config = config
    this.#found = found
    void this.#lookUp()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #lookUp(): Promise<void> {
    await Promise.all(
      this.#config.endpoints.map(async ({ address }) => {
        if (!isIP(address)) this.#known.set(address, await this.#addressesOf(address))
      }),
    )
    if (this.#stopped) return
    const endpoints = this.#config.endpoints.flatMap((endpoint) =>
      (this.#known.get(endpoint.address) ?? [endpoint.address]).map((address) => ({ ...endpoint, address })),
    )
    const told = endpoints.map(({ address, port }) => `${address} ${port}`).join()
    if (told !== this.#told) this.#found(endpoints)
    this.#told = told
    this.#timer = setTimeout(() => void this.#lookUp(), this.#config.refresh).unref()
  }

  async #addressesOf(name: string): Promise<string[]> {
    const { family, prefer, first } = this.#config
    let found: LookupAddress[]
    try {
      found = await lookup(name, { all: true, family })
    } catch {
      return this.#known.get(name) ?? []
    }
    const preferred = found.filter((one) => one.family === prefer)
    const addresses = (preferred.length > 0 ? preferred : found).map(({ address }) => address).sort()
    return first ? addresses.slice(0, 1) : addresses
  }
}
