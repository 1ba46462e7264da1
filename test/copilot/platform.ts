import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose'

/** A UAA that signs tokens. */
export interface Uaa {
  server: Server
  url: string
  token(claims: object, options?: { issuer?: string; audience?: string; expires?: string; key?: CryptoKey }): Promise<string>
}

export async function startUaa(): Promise<Uaa> {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'RS256', use: 'sig', value: '-----BEGIN PUBLIC KEY-----' }
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(request.url === '/token_keys' ? JSON.stringify({ keys: [jwk] }) : '{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    server,
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    token: (claims, { issuer = 'https://uaa.test/oauth/token', audience = 'cloud_controller', expires = '10m', key = privateKey } = {}) =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'key-1' })
        .setIssuer(issuer)
        .setAudience([audience, 'cf'])
        .setExpirationTime(expires)
        .sign(key),
  }
}

/** A Cloud Controller that knows roles, and for whom it was asked for them. */
export interface CloudController {
  server: Server
  url: string
  /** By the user's guid: `TYPE SPACE`, or `organization_manager ORG`. */
  roles: Record<string, string[]>
  /** What it answers instead of roles, where set. */
  status: number | undefined
  asked: { authorization: string | undefined; users: string[] }[]
}

export async function startCloudController(roles: Record<string, string[]>): Promise<CloudController> {
  const cc: Omit<CloudController, 'server' | 'url'> = { roles, status: undefined, asked: [] }
  const server = createServer(({ url = '', headers }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://cc')
    const users = searchParams.get('user_guids')?.split(',') ?? []
    cc.asked.push({ authorization: headers.authorization, users })
    response.statusCode = cc.status ?? (pathname === '/v3/roles' ? 200 : 404)
    response.setHeader('content-type', 'application/json')
    const all = users
      .flatMap((user) => cc.roles[user] ?? [])
      .filter((role) => searchParams.get('types')!.split(',').includes(role.split(' ')[0]!))
    const page = Number(searchParams.get('page') ?? 1)
    const resources = all.slice(page - 1, page).map((role) => {
      const [type = '', guid] = role.split(' ')
      const none = { data: null }
      return {
        type,
        relationships: type.startsWith('organization')
          ? { space: none, organization: { data: { guid } } }
          : { space: { data: { guid } }, organization: none },
      }
    })
    searchParams.set('page', String(page + 1))
    // A page a role, and links to a name of its own, as behind a load balancer.
    const next = page < all.length ? { href: `https://api.sys.test${pathname}?${searchParams.toString()}` } : null
    response.end(JSON.stringify({ pagination: { total_results: all.length, next }, resources }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(cc, { server, url: `http://127.0.0.1:${(server.address() as { port: number }).port}` })
}
