import { randomUUID, timingSafeEqual } from 'node:crypto'
import type { Account } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { authenticate } from './accounts.ts'
import { oauthError } from './errors.ts'
import type { Claims, SigningKey } from './keys.ts'

export interface Client {
  id: string
  secret: string
  /** Scopes of its own tokens. */
  authorities: string[]
  /** Grants it may use. */
  grants: string[]
}

export interface TokenOptions {
  clients: { id: string; secret: string; authorities: string[] }[]
  accessSeconds: number
  refreshSeconds: number
  /** The `iss` of tokens, in place of the address by which UAA was reached. */
  issuer?: string
}

export interface TokenAnswer {
  access_token: string
  token_type: 'bearer'
  refresh_token?: string
  expires_in: number
  scope: string
  jti: string
}

/** The client of the cf CLI: public, with an empty secret. */
const cf: Client = { id: 'cf', secret: '', authorities: ['uaa.none'], grants: ['password', 'refresh_token'] }

/** UAA's token endpoint: the password, refresh_token and client_credentials grants. */
export class TokenIssuer {
  readonly #store: Store
  readonly #key: SigningKey
  readonly #options: TokenOptions
  readonly #clients: Map<string, Client>

  constructor(store: Store, key: SigningKey, options: TokenOptions) {
    this.#store = store
    this.#key = key
    this.#options = options
    const configured = options.clients.map((client) => ({ ...client, grants: ['client_credentials'] }))
    this.#clients = new Map([cf, ...configured].map((client) => [client.id, client]))
  }

  /** The client that an Authorization header, or `client_id` and `client_secret` in the form, names. Throws `unauthorized`. */
  client(authorization: string | undefined, form: Record<string, string>): Client {
    const [id, secret] = authorization?.startsWith('Basic ')
      ? basic(authorization.slice(6))
      : [form['client_id'], form['client_secret'] ?? '']
    const client = this.#clients.get(id ?? '')
    if (!client || !sameText(client.secret, secret ?? '')) throw oauthError(401, 'unauthorized', 'Bad credentials')
    return client
  }

  /** `issuer` is UAA's own address as the caller knows it. */
  async grant(client: Client, form: Record<string, string>, issuer: string): Promise<TokenAnswer> {
    const type = form['grant_type']
    if (!type) throw oauthError(400, 'invalid_request', 'Missing grant type')
    if (!['password', 'refresh_token', 'client_credentials'].includes(type))
      throw oauthError(400, 'unsupported_grant_type', `Unsupported grant type: ${type}`)
    if (!client.grants.includes(type)) throw oauthError(401, 'invalid_client', `Unauthorized grant type: ${type}`)
    if (type === 'client_credentials') return this.#answer(client, undefined, narrowed(client.authorities, form['scope']), type, issuer)
    const account = type === 'password' ? await this.#passwordOwner(form) : await this.#refreshOwner(client, form)
    return this.#answer(client, account, narrowed(account.groups, form['scope']), type, issuer)
  }

  async #passwordOwner(form: Record<string, string>): Promise<Account> {
    const account = await authenticate(this.#store, form['username'] ?? '', form['password'] ?? '')
    if (!account) throw oauthError(401, 'unauthorized', 'Bad credentials')
    return account
  }

  async #refreshOwner(client: Client, form: Record<string, string>): Promise<Account> {
    const claims = await this.#key.verify(form['refresh_token'] ?? '')
    const account = claims?.jti?.endsWith('-r') && claims.client_id === client.id ? this.#store.accounts.get(claims.user_id) : undefined
    if (!account?.active) throw oauthError(401, 'invalid_token', 'The token expired, was revoked, or the token ID is incorrect.')
    return account
  }

  async #answer(client: Client, account: Account | undefined, scope: string[], grantType: string, issuer: string): Promise<TokenAnswer> {
    const jti = randomUUID().replaceAll('-', '')
    const claims: Claims = {
      jti,
      sub: account?.guid ?? client.id,
      scope,
      client_id: client.id,
      cid: client.id,
      azp: client.id,
      grant_type: grantType,
      iss: this.#options.issuer ?? `${issuer}/oauth/token`,
      zid: 'uaa',
      aud: [...new Set([client.id, ...scope.filter((name) => name.includes('.')).map((name) => name.slice(0, name.lastIndexOf('.')))])],
      ...(account
        ? {
            user_id: account.guid,
            user_name: account.userName,
            email: account.email,
            origin: account.origin,
            auth_time: Math.floor(Date.now() / 1000),
          }
        : { authorities: scope }),
    }
    return {
      access_token: await this.#key.sign(claims, this.#options.accessSeconds),
      token_type: 'bearer',
      ...(account && {
        refresh_token: await this.#key.sign({ ...claims, jti: `${jti}-r`, aud: [client.id] }, this.#options.refreshSeconds),
      }),
      expires_in: this.#options.accessSeconds - 1,
      scope: scope.join(' '),
      jti,
    }
  }
}

function basic(encoded: string): [string, string] {
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  const [id, secret] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  return [decode(id), decode(secret)]
}

/** RFC 6749 §2.3.1 has the parts form-encoded; not every client does so. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)]
  return x.length === y.length && timingSafeEqual(x, y)
}

function narrowed(held: string[], asked: string | undefined): string[] {
  const wanted = asked?.split(' ').filter(Boolean)
  if (!wanted?.length) return held
  const granted = held.filter((scope) => wanted.includes(scope))
  if (!granted.length)
    throw oauthError(400, 'invalid_scope', `[${wanted.join(', ')}] is invalid. This user is not allowed any of the requested scopes`)
  return granted
}
