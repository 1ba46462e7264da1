import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { DownstreamTls } from '../resources/listener.ts'
import type { Secrets } from '../secrets.ts'

interface Keypair {
  certificate: Buffer
  key: Buffer
  /** `rsa`, `ec`, … */
  type: string | undefined
  names: string[]
}

/**
 * The TLS contexts of a listener, one a keypair, chosen by the name that the client asks for; made anew when a secret has changed. Names of
 * the first keypair have with it the first of each other type of key, and clients get the one that they can check; Node has no way to do so
 * for others.
 */
export class Keypairs {
  readonly #settings: DownstreamTls
  readonly #secrets: Secrets
  #version = -1
  #first: SecureContextOptions | undefined
  #firstNames: string[] = []
  /** Names that are not the first keypair's. */
  #byName = new Map<string, SecureContext>()

  constructor(settings: DownstreamTls, secrets: Secrets) {
    this.#settings = settings
    this.#secrets = secrets
  }

  /**
   * The first keypair that there is, for clients who ask for its names, for none or an unknown one. The same object as long as nothing
   * changes.
   */
  get first(): SecureContextOptions | undefined {
    this.#refresh()
    return this.#first
  }

  /** The context for `serverName`: an exact name before a wildcard; undefined where it is for the first keypair. */
  find(serverName: string): SecureContext | undefined {
    this.#refresh()
    const name = serverName.toLowerCase()
    return this.#firstNames.includes(name) ? undefined : (this.#byName.get(name) ?? this.#byName.get(name.replace(/^[^.]+/, '*')))
  }

  #refresh(): void {
    if (this.#version === this.#secrets.version) return
    this.#version = this.#secrets.version
    this.#first = undefined
    this.#byName = new Map()
    const { client, versions, ciphers } = this.#settings
    const authorities = client && this.#secrets.authorities(client.ca)
    if (client && !authorities) return
    const keypairs = this.#settings.keypairs.flatMap((name) => this.#secrets.keypair(name) ?? []).map(readKeypair)
    const options = (pairs: Keypair[]): SecureContextOptions => ({
      cert: pairs.map(({ certificate }) => certificate),
      key: pairs.map(({ key }) => key),
      ...authorities,
      ...versions,
      ...(ciphers !== undefined && { ciphers }),
    })
    const [first, ...others] = keypairs
    if (!first) return
    const alike = others.filter(({ names }) => first.names.every((name) => names.includes(name)))
    const firsts = [...new Map([first, ...alike].toReversed().map((keypair) => [keypair.type, keypair])).values()].toReversed()
    this.#first = options(firsts)
    this.#firstNames = first.names
    for (const keypair of others) {
      const context = createSecureContext(options([keypair]))
      for (const name of keypair.names) if (!first.names.includes(name) && !this.#byName.has(name)) this.#byName.set(name, context)
    }
  }
}

function readKeypair({ certificate, key }: { certificate: Buffer; key: Buffer }): Keypair {
  const read = new X509Certificate(certificate)
  return { certificate, key, type: read.publicKey.asymmetricKeyType, names: namesOf(read) }
}

/** The DNS names of a certificate, else its common name. */
function namesOf({ subjectAltName, subject }: X509Certificate): string[] {
  const names = [...(subjectAltName ?? '').matchAll(/DNS:([^,\s]+)/g)].map(([, name]) => name!.toLowerCase())
  if (names.length > 0) return names
  const common = /^CN=(.+)$/m.exec(subject)?.[1]
  return common ? [common.toLowerCase()] : []
}
