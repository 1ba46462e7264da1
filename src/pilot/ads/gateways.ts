import type { SecretContent } from '../secret-keeper.ts'
import type { Gateways } from '../translate/per-router.ts'
import type { Translator } from '../translate/translator.ts'

export interface GatewayFollowerOptions {
  translator: Translator
  secrets: { want: (versions: ReadonlyMap<string, string>) => void; get: (key: string) => SecretContent | undefined }
  /** Gives routers anew what depends on them. */
  refresh: () => void
}

/** Has routers know what Gateways ask for as soon as that changes, and copilot asked for the secrets that it takes. */
export class GatewayFollower {
  readonly #options: GatewayFollowerOptions
  #revision = 0

  constructor(options: GatewayFollowerOptions) {
    this.#options = options
  }

  now(): Gateways {
    const { translator, secrets } = this.#options
    return {
      chains: translator.rules.gatewayChains(),
      credentials: translator.rules.clientCredentials(),
      contents: (key) => secrets.get(key),
    }
  }

  /** Told when records have been translated. */
  published(): void {
    const { translator, secrets, refresh } = this.#options
    secrets.want(translator.wantedSecrets())
    if (translator.rules.gatewayRevision === this.#revision) return
    this.#revision = translator.rules.gatewayRevision
    refresh()
  }
}
