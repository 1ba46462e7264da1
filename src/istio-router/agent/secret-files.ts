import { fromBinary } from '@bufbuild/protobuf'
import type { DataSource } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import { SecretSchema } from '../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { typeUrls, type Refusal, type Resource } from '../../common/xds/resources.ts'
import { messageOf } from '../../common/problem.ts'
import { readSecret, watchSecrets, type SecretFiles } from './secrets.ts'

/**
 * Secrets from pilot that name files on this VM, as an operator's Gateway has them: read here, so that a file which is missing costs no
 * listener, and again when they change.
 */
export class FileSecrets {
  readonly #watches = new Map<string, () => void>()
  readonly #changed: (secret: Resource) => void

  /** `changed` is called with a secret whose files have changed. */
  constructor(changed: (secret: Resource) => void) {
    this.#changed = changed
  }

  /** The resources as the engine is to have them, and what of them cannot be read. */
  read(changed: Resource[], removed: { typeUrl: string; name: string }[]): { changed: Resource[]; refused: Refusal[] } {
    for (const { typeUrl, name } of removed) if (typeUrl === typeUrls.secret) this.#unwatch(name)
    const refused: Refusal[] = []
    const whole = changed.flatMap((resource): Resource[] => {
      const secret = filesOf(resource)
      if (!secret) return [resource]
      this.#unwatch(secret.name)
      this.#watches.set(secret.name, watchSecrets([secret], this.#changed))
      try {
        return [readSecret(secret)]
      } catch (error) {
        const { typeUrl, name, version } = resource
        refused.push({ typeUrl, name, version, reason: messageOf(error) })
        return []
      }
    })
    return { changed: whole, refused }
  }

  stop(): void {
    for (const name of this.#watches.keys()) this.#unwatch(name)
  }

  #unwatch(name: string): void {
    this.#watches.get(name)?.()
    this.#watches.delete(name)
  }
}

function filesOf({ typeUrl, name, any }: Resource): SecretFiles | undefined {
  if (typeUrl !== typeUrls.secret) return undefined
  const { type } = fromBinary(SecretSchema, any.value)
  const field = `secret ${name}`
  if (type.case === 'tlsCertificate') {
    const [certificate, key] = [fileOf(type.value.certificateChain), fileOf(type.value.privateKey)]
    return certificate !== undefined && key !== undefined ? { field, name, files: { certificate, key } } : undefined
  }
  if (type.case !== 'validationContext') return undefined
  const [ca, crl] = [fileOf(type.value.trustedCa), fileOf(type.value.crl)]
  return ca === undefined ? undefined : { field, name, files: { ca, ...(crl === undefined ? {} : { crl }) } }
}

const fileOf = (source: DataSource | undefined): string | undefined =>
  source?.specifier.case === 'filename' ? source.specifier.value : undefined
