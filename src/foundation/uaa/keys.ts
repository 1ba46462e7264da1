import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errors, jwtVerify, SignJWT, type JWTPayload } from 'jose'

/** What UAA puts into an access or refresh token. */
export interface Claims extends JWTPayload {
  scope: string[]
  client_id: string
  grant_type: string
  user_id?: string
  user_name?: string
  email?: string
  origin?: string
}

const keyId = 'foundation-1'

/** UAA's signing key, kept in `folder/uaa-key.pem`; signs and checks tokens as compact RS256 JWS. */
export class SigningKey {
  readonly #privateKey: KeyObject
  readonly #publicKey: KeyObject

  constructor(folder: string) {
    const file = join(folder, 'uaa-key.pem')
    if (!existsSync(file)) {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
      writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    }
    this.#privateKey = createPrivateKey(readFileSync(file))
    this.#publicKey = createPublicKey(this.#privateKey)
  }

  /** The public key as `/token_key` answers it. */
  toJSON(): Record<string, unknown> {
    const { n, e } = this.#publicKey.export({ format: 'jwk' })
    return { kty: 'RSA', e, use: 'sig', kid: keyId, alg: 'RS256', value: this.#publicKey.export({ type: 'spki', format: 'pem' }), n }
  }

  async sign(claims: Claims, seconds: number): Promise<string> {
    const now = Math.floor(Date.now() / 1000)
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: keyId, typ: 'JWT' })
      .setIssuedAt(now)
      .setExpirationTime(now + seconds)
      .sign(this.#privateKey)
  }

  /** The claims of a token of ours that has not expired; undefined for any other string. */
  async verify(token: string): Promise<Claims | undefined> {
    try {
      const { payload } = await jwtVerify<Claims>(token, this.#publicKey, { algorithms: ['RS256'] })
      return payload
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
      throw error
    }
  }
}
