import { readFileSync } from 'node:fs'
import { Type } from 'typebox'
import { Backoff } from '../common/backoff.ts'
import { messageOf, problem } from '../common/problem.ts'
import { HttpClient } from './http.ts'
import { parseJson } from './json.ts'

export const TokenRefused = problem(
  'MESH_UAA_TOKEN_REFUSED',
  502,
  (url: string, status: number, why: string) => `${url}: no token (${status}): ${why}; check uaa.clientId and its secret`,
)
export const SecretUnreadable = problem(
  'MESH_UAA_SECRET_UNREADABLE',
  500,
  (file: string, why: string) => `uaa.clientSecretFile: cannot read ${file}: ${why}`,
)

const TokenAnswer = Type.Object({ access_token: Type.String({ minLength: 1 }), expires_in: Type.Number({ minimum: 1 }) })

export interface UaaOptions {
  /** UAA's address; a function where it is discovered. Asked again until it resolves. */
  url: () => Promise<string>
  clientId: string
  /** The secret itself, or the file that holds it, which is read again for every token. */
  clientSecret?: string | undefined
  clientSecretFile?: string | undefined
  ca?: string | undefined
  /** How often one call asks before it gives up. */
  attempts?: number
  backoff?: { min: number; max: number }
}

/** Tokens of the client_credentials grant: cached, renewed before they expire, and asked for once however many need one. */
export class UaaTokens {
  readonly #options: UaaOptions
  #client: HttpClient | undefined
  #current: { token: string; renewAt: number; expiresAt: number } | undefined
  #flight: Promise<string> | undefined

  constructor(options: UaaOptions) {
    this.#options = options
  }

  /** A token that is valid for a while. Rejects with what UAA said when it gives none. */
  async token(): Promise<string> {
    const current = this.#current
    if (current && Date.now() < current.renewAt) return current.token
    this.#flight ??= this.#renew().finally(() => (this.#flight = undefined))
    if (current && Date.now() < current.expiresAt) return this.#flight.catch(() => current.token)
    return this.#flight
  }

  /** Forgets a token that was refused. */
  discard(token: string): void {
    if (this.#current?.token === token) this.#current = undefined
  }

  async close(): Promise<void> {
    await this.#client?.close()
  }

  async #renew(): Promise<string> {
    const backoff = new Backoff({ min: 200, max: 2_000, ...this.#options.backoff })
    for (let left = this.#options.attempts ?? 3; ; left--) {
      try {
        return await this.#ask()
      } catch (error) {
        if (left <= 1) throw error
        await backoff.wait()
      }
    }
  }

  async #ask(): Promise<string> {
    this.#client ??= new HttpClient({ url: await this.#options.url(), ca: this.#options.ca })
    const asked = Date.now()
    const answer = await this.#client.request({
      method: 'POST',
      path: '/oauth/token',
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`${this.#options.clientId}:${this.#secret()}`).toString('base64')}`,
      },
      body: 'grant_type=client_credentials&response_type=token',
    })
    const url = `${this.#client.origin}/oauth/token`
    if (answer.status !== 200) throw TokenRefused(url, answer.status, answer.body.toString('utf8', 0, 200))
    const { access_token: token, expires_in: seconds } = parseJson(TokenAnswer, answer, url)
    const lifetime = seconds * 1000
    this.#current = { token, renewAt: asked + lifetime - Math.min(60_000, lifetime / 4), expiresAt: asked + lifetime }
    return token
  }

  #secret(): string {
    const { clientSecret, clientSecretFile } = this.#options
    if (!clientSecretFile) return clientSecret ?? ''
    try {
      return readFileSync(clientSecretFile, 'utf8').trim()
    } catch (error) {
      throw SecretUnreadable(clientSecretFile, messageOf(error))
    }
  }
}
