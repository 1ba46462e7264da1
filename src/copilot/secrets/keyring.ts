import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto'
import { SecretSealed, SecretsOff } from '../problems.ts'

/** One of the operator's encryption keys. */
export interface EncryptionKey {
  name: string
  /** What the key is derived from. */
  secret: string
}

/** What is stored of a secret: which key sealed it, and AES-256-GCM's nonce, tag and ciphertext in base64. */
interface Sealed {
  key: string
  nonce: string
  tag: string
  data: string
}

const algorithm = 'aes-256-gcm'

/**
 * Seals what is secret with the first of the operator's keys, and opens what any of them has sealed. `subject` names what is sealed, and is
 * part of it: a sealed text that was moved to another subject does not open.
 */
export class Keyring {
  readonly #keys: { name: string; key: Buffer }[]

  constructor(keys: EncryptionKey[]) {
    this.#keys = keys.map(({ name, secret }) => ({ name, key: scryptSync(secret, `mesh copilot ${name}`, 32) }))
  }

  /** Throws `MESH_SECRETS_OFF` where there is no key. */
  seal(text: string, subject: string): Uint8Array {
    const [newest] = this.#keys
    if (!newest) throw SecretsOff()
    const nonce = randomBytes(12)
    const cipher = createCipheriv(algorithm, newest.key, nonce).setAAD(Buffer.from(subject))
    const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    const sealed: Sealed = {
      key: newest.name,
      nonce: nonce.toString('base64'),
      tag: cipher.getAuthTag().toString('base64'),
      data: data.toString('base64'),
    }
    return Buffer.from(JSON.stringify(sealed))
  }

  /** Throws `MESH_SECRET_SEALED` where its key is not here, or it is not what was sealed. */
  open(bytes: Uint8Array, subject: string): string {
    const { key: name, nonce, tag, data } = read(bytes)
    const known = this.#keys.find((key) => key.name === name)
    if (!known) throw SecretSealed(subject, `encryption.keys has no key ${JSON.stringify(name)}`)
    try {
      const decipher = createDecipheriv(algorithm, known.key, Buffer.from(nonce, 'base64'), { authTagLength: 16 })
        .setAAD(Buffer.from(subject))
        .setAuthTag(Buffer.from(tag, 'base64'))
      return Buffer.concat([decipher.update(Buffer.from(data, 'base64')), decipher.final()]).toString('utf8')
    } catch {
      throw SecretSealed(subject, `the key ${JSON.stringify(name)} is not the one that sealed it`)
    }
  }

  /** Whether it is to be sealed anew, because a newer key is there. */
  outdated(bytes: Uint8Array): boolean {
    return this.#keys.length > 0 && read(bytes).key !== this.#keys[0]!.name
  }
}

function read(bytes: Uint8Array): Sealed {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as Sealed
}
