import { readFileSync } from 'node:fs'
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

  /** The context for connections to endpoints. Throws if a secret or file that it needs is not there. */
  clientContext(settings: UpstreamTls): SecureContext {
    const known = this.#contexts.get(settings)
    if (known?.version === this.#version) return known.context
    const own = this.#ownOf(settings)
    const context = createSecureContext({
      ...this.#authoritiesOf(settings),
      ...(own ? { cert: own.certificate, key: own.key } : {}),
      ...settings.versions,
    })
    this.#contexts.set(settings, { version: this.#version, context })
    return context
  }

  #authoritiesOf({ ca }: UpstreamTls): Authorities | undefined {
    if (!ca) return undefined
    if ('file' in ca) return { ca: readFileSync(ca.file), ...(ca.crl === undefined ? {} : { crl: readFileSync(ca.crl) }) }
    return this.authorities(ca.secret) ?? missing(ca.secret)
  }

  #ownOf({ keypair }: UpstreamTls): { certificate: Buffer; key: Buffer } | undefined {
    if (!keypair) return undefined
    if ('certificate' in keypair) return { certificate: readFileSync(keypair.certificate), key: readFileSync(keypair.key) }
    return this.keypair(keypair.secret) ?? missing(keypair.secret)
  }
}

function missing(secret: string): never {
  throw new Error(`the secret ${secret} is not there`)
}
