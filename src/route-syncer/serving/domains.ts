import type { Exposure } from '../../mesh/records.ts'

/** Where a host of the platform answers in the mesh. */
export interface Placement {
  exposure: Exposure
  host: string
  /** It answers there because its domain is mirrored, not because it is a mesh domain's. */
  mirrored: boolean
}

export interface DomainsConfig {
  meshDomains: string[]
  internalDomains: string[]
  mirror?: { from: string; to: string } | undefined
}

/** Which hosts are served, and on which listeners. What is on an internal domain is never on a public listener. */
export class Domains {
  readonly #mesh: string[]
  readonly #internal: string[]
  readonly #mirror: { from: string; to: string } | undefined

  constructor({ meshDomains, internalDomains, mirror }: DomainsConfig) {
    this.#mesh = meshDomains.map((domain) => domain.toLowerCase())
    this.#internal = internalDomains.map((domain) => domain.toLowerCase())
    this.#mirror = mirror && { from: mirror.from.toLowerCase(), to: mirror.to.toLowerCase() }
  }

  /** Undefined for a host that the mesh does not serve. `internal` says that Cloud Foundry itself holds its domain for internal. */
  place(host: string, internal: boolean): Placement | undefined {
    const onMesh = this.#mesh.some((domain) => isOn(host, domain))
    const onInternal = this.#internal.some((domain) => isOn(host, domain))
    if (internal || onInternal) return onMesh || onInternal ? { exposure: 'int', host, mirrored: false } : undefined
    if (onMesh) return { exposure: 'pub', host, mirrored: false }
    const mirrored = this.#mirrored(host)
    return mirrored === undefined ? undefined : { exposure: 'pub', host: mirrored, mirrored: true }
  }

  /** The mirror of `from`, of a host directly on it: what lies deeper belongs to another domain. */
  #mirrored(host: string): string | undefined {
    if (!this.#mirror) return undefined
    const { from, to } = this.#mirror
    if (host === from) return to
    const label = host.slice(0, -from.length - 1)
    return isOn(host, from) && !label.includes('.') ? `${label}.${to}` : undefined
  }
}

function isOn(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`)
}
