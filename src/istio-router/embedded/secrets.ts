import { createSecureContext, type SecureContext } from 'node:tls'
import type { Authorities, Secret } from './resources/secret.ts'
import type { UpstreamTls } from './resources/upstream-tls.ts'

/** The certificates and CAs that are there now, and TLS contexts made of them. */
export class Secrets {
  readonly #secrets = new Map<string, Secret>()
  readonly #contexts = new WeakMap<UpstreamTls, { version: number; context: SecureContext }>()
  #version = 0

  set(name: string, secret: Secret): void {
    this.#secrets.set(name, secret)
    this.#version++
  }

  delete(name: string): void {
    this.#secrets.delete(name)
    this.#version++
  }

  /** Changes with every change of any secret. */
  get version(): number {
    return this.#version
  }

  keypair(name: string): { certificate: Buffer; key: Buffer } | undefined {
    const secret = this.#secrets.get(name)
    return secret?.kind === 'keypair' ? secret : undefined
  }

  /** PEM of CAs, and of what they have revoked. */
  authorities(name: string): Authorities | undefined {
    const secret = this.#secrets.get(name)
    return secret?.kind === 'ca' ? secret.authorities : undefined
  }

  /** The context for connections to endpoints. Throws if a secret that it needs is not there. */
  clientContext(settings: UpstreamTls): SecureContext {
    const known = this.#contexts.get(settings)
    if (known?.version === this.#version) return known.context
    const authorities = this.authorities(settings.ca)
    if (!authorities) throw new Error(`the secret ${settings.ca} is not there`)
    const own = settings.keypair === undefined ? undefined : this.keypair(settings.keypair)
    if (settings.keypair !== undefined && !own) throw new Error(`the secret ${settings.keypair} is not there`)
    const context = createSecureContext({ ...authorities, ...(own ? { cert: own.certificate, key: own.key } : {}), ...settings.versions })
    this.#contexts.set(settings, { version: this.#version, context })
    return context
  }
}
