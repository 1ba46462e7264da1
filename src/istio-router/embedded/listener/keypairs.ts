import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { DownstreamTls } from '../resources/listener.ts'
import type { Secrets } from '../secrets.ts'

/** The TLS contexts of a listener, one a keypair, chosen by the name that the client asks for; made anew when a secret has changed. */
export class Keypairs {
  readonly #settings: DownstreamTls
  readonly #secrets: Secrets
  #version = -1
  #first: SecureContextOptions | undefined
  #byName = new Map<string, SecureContext>()

  constructor(settings: DownstreamTls, secrets: Secrets) {
    this.#settings = settings
    this.#secrets = secrets
  }

  /** The first keypair that there is, for clients who ask for no name or an unknown one. The same object as long as nothing changes. */
  get first(): SecureContextOptions | undefined {
    this.#refresh()
    return this.#first
  }

  /** The context for `serverName`: an exact name before a wildcard; undefined where only the first keypair is left. */
  find(serverName: string): SecureContext | undefined {
    this.#refresh()
    const name = serverName.toLowerCase()
    return this.#byName.get(name) ?? this.#byName.get(name.replace(/^[^.]+/, '*'))
  }

  #refresh(): void {
    if (this.#version === this.#secrets.version) return
    this.#version = this.#secrets.version
    this.#first = undefined
    this.#byName = new Map()
    const { client, versions, ciphers } = this.#settings
    const authorities = client && this.#secrets.authorities(client.ca)
    if (client && !authorities) return
    for (const keypair of this.#settings.keypairs) {
      const secret = this.#secrets.keypair(keypair)
      if (!secret) continue
      const options = { cert: secret.certificate, key: secret.key, ...authorities, ...versions, ...(ciphers !== undefined && { ciphers }) }
      const context = createSecureContext(options)
      this.#first ??= options
      for (const name of namesOf(secret.certificate)) if (!this.#byName.has(name)) this.#byName.set(name, context)
    }
  }
}

/** The DNS names of a certificate, else its common name. */
function namesOf(certificate: Buffer): string[] {
  const { subjectAltName, subject } = new X509Certificate(certificate)
  const names = [...(subjectAltName ?? '').matchAll(/DNS:([^,\s]+)/g)].map(([, name]) => name!.toLowerCase())
  if (names.length > 0) return names
  const common = /^CN=(.+)$/m.exec(subject)?.[1]
  return common ? [common.toLowerCase()] : []
}
