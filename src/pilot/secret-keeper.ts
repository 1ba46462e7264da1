import { keepTrying } from '../common/backoff.ts'
import type { Part } from '../common/lifecycle.ts'
import type { Logger } from '../common/log.ts'
import { messageOf } from '../common/problem.ts'

/** What a secret holds, PEM. */
export interface SecretContent {
  version: string
  certificate?: string
  key?: string
  ca?: string
  crl?: string
}

export interface SecretKeeperOptions {
  /** Asks copilot for a secret's content. */
  read: (key: string) => Promise<SecretContent>
  /** Called when a content is another one. */
  changed: () => void
  log: Logger
}

/**
 * How long routers wait for a pilot that has just started and lacks secrets, so that they don't lose the servers that need them,
 * milliseconds.
 */
const patience = 10_000

/** Keeps the contents of the secrets that Gateways name, in memory alone. While copilot is away, those that were there stay. */
export class SecretKeeper implements Part {
  readonly name = 'secrets'
  readonly #options: SecretKeeperOptions
  /** When it was first told what is needed. */
  #since: number | undefined
  #settled = false
  readonly #contents = new Map<string, SecretContent>()
  /** Being asked for, by key. */
  readonly #asking = new Map<string, { version: string; stop: AbortController }>()

  constructor(options: SecretKeeperOptions) {
    this.#options = options
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    for (const { stop } of this.#asking.values()) stop.abort()
  }

  /**
   * Whether all contents that were needed at first have come, or have been asked for in vain for a while. So it stays: what routers have is
   * not to be taken from them for one that is needed later.
   */
  get settled(): boolean {
    return this.#settled || performance.now() - (this.#since ?? Infinity) > patience
  }

  /** Undefined until copilot has given it. */
  get(key: string): SecretContent | undefined {
    return this.#contents.get(key)
  }

  /** The secrets that are needed now, by key, each with its newest version: asks for those that differ, forgets all others. */
  want(versions: ReadonlyMap<string, string>): void {
    this.#since ??= performance.now()
    for (const key of this.#contents.keys()) if (!versions.has(key)) this.#contents.delete(key)
    for (const [key, { version, stop }] of this.#asking) {
      if (versions.get(key) === version) continue
      stop.abort()
      this.#asking.delete(key)
    }
    for (const [key, version] of versions)
      if (this.#contents.get(key)?.version !== version && !this.#asking.has(key)) this.#ask(key, version)
    this.#settled ||= this.#asking.size === 0
  }

  #ask(key: string, version: string): void {
    const stop = new AbortController()
    const { signal } = stop
    this.#asking.set(key, { version, stop })
    const attempt = async (): Promise<void> => {
      const content = await this.#options.read(key)
      if (signal.aborted) return
      const before = this.#contents.get(key)?.version
      this.#contents.set(key, content)
      if (content.version === version) {
        this.#asking.delete(key)
        this.#settled ||= this.#asking.size === 0
        stop.abort()
      }
      if (content.version !== before) this.#options.changed()
    }
    void keepTrying(attempt, {
      signal,
      max: 5000,
      onError: (error) => this.#options.log.warn({ secret: key, reason: messageOf(error) }, 'cannot read a secret; trying again'),
    })
  }
}
