import { experimental, type ServerCredentials } from '@grpc/grpc-js'
import type { TlsConfig } from '../config.ts'
import { readTls, watchTls, type TlsMaterial } from '../tls.ts'

/** Mutual TLS for a gRPC server, from files that are read again when they change. Throws `TlsFileUnreadable`. `stop` ends the watching. */
export function serverCredentials(config: TlsConfig): { credentials: ServerCredentials; stop: () => void } {
  const provider = new Provider(readTls(config))
  const credentials = experimental.createCertificateProviderServerCredentials(provider, provider, true)
  return { credentials, stop: watchTls(config, (material) => provider.set(material)) }
}

type CaListener = (update: { caCertificate: Buffer }) => void
type IdentityListener = (update: { certificate: Buffer; privateKey: Buffer }) => void

/** grpc-js must be told after it has added its listener, not while it does. */
class Provider implements experimental.CertificateProvider {
  readonly #caListeners = new Set<CaListener>()
  readonly #identityListeners = new Set<IdentityListener>()
  #material: TlsMaterial

  constructor(material: TlsMaterial) {
    this.#material = material
  }

  set(material: TlsMaterial): void {
    this.#material = material
    for (const listener of this.#caListeners) this.#tellCa(listener)
    for (const listener of this.#identityListeners) this.#tellIdentity(listener)
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#caListeners.add(listener)
    queueMicrotask(() => this.#tellCa(listener))
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener)
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.add(listener)
    queueMicrotask(() => this.#tellIdentity(listener))
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener)
  }

  #tellCa(listener: CaListener): void {
    listener({ caCertificate: this.#material.ca })
  }

  #tellIdentity(listener: IdentityListener): void {
    listener({ certificate: this.#material.cert, privateKey: this.#material.key })
  }
}
