/** The domains whose desired LRPs are known to be whole, each until its time to live has passed. */
export class Domains {
  readonly #freshUntil = new Map<string, number>()

  /** `ttl` in seconds; 0 means for ever, as in BBS. */
  upsert(domain: string, ttl: number): void {
    this.#freshUntil.set(domain, ttl === 0 ? Infinity : Date.now() + ttl * 1000)
  }

  fresh(): string[] {
    const now = Date.now()
    return [...this.#freshUntil].filter(([, until]) => until > now).map(([domain]) => domain)
  }
}
