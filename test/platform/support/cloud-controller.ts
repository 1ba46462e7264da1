import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

interface Resource {
  guid: string
  created_at: string
  updated_at: string
  [field: string]: unknown
}

export interface FakeDestination {
  app: string
  type?: string
  port?: number
  protocol?: string
  weight?: number | null
}

export interface FakeRoute {
  guid: string
  url: string
  space?: string
  domain?: string
  destinations?: FakeDestination[]
  labels?: Record<string, string>
  options?: Record<string, unknown>
  created?: string
}

/** What Cloud Controller and UAA have, and, once it listens, the HTTP that tells it. `answers` overrides a path while it has some. */
export class FakeCloudController {
  readonly resources = new Map<string, Map<string, Resource>>()
  /** Answers that replace the next ones of a path, in turn: a status with a body and headers. */
  readonly answers = new Map<string, { status?: number; body?: string; headers?: Record<string, string> }[]>()
  readonly requests: string[] = []
  perPage = 5000
  tokens = 0
  tokenLifetime = 600
  /** Milliseconds by which each answer is late. */
  slowness = 0
  readonly #valid = new Set<string>()
  readonly #server: Server = createServer((request, response) => void this.#serve(request, response))

  constructor() {
    for (const name of ['organizations', 'spaces', 'domains', 'apps', 'processes', 'routes', 'audit_events'])
      this.resources.set(`/v3/${name}`, new Map())
    this.put('/v3/organizations', { guid: 'org', name: 'name of org' })
    this.space('space')
    this.domain('mesh')
    this.domain('apps')
    this.domain('internal', true)
  }

  async listen(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    return this
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Creates or replaces a resource; `touch: false` leaves its `updated_at`, as a change of destinations does. */
  put(path: string, resource: { guid: string; [field: string]: unknown }, touch = true): void {
    const table = this.resources.get(path)!
    const before = table.get(resource.guid)
    const now = new Date().toISOString().replace(/\.\d+/, '')
    table.set(resource.guid, { created_at: before?.created_at ?? now, ...resource, updated_at: touch ? now : (before?.updated_at ?? now) })
  }

  remove(path: string, guid: string): void {
    this.resources.get(path)!.delete(guid)
  }

  space(guid: string): void {
    this.put('/v3/spaces', { guid, name: `name of ${guid}`, relationships: { organization: { data: { guid: 'org' } } } })
  }

  domain(guid: string, internal = false): void {
    this.put('/v3/domains', { guid, name: guid, internal })
  }

  app(
    guid: string,
    {
      state = 'STARTED',
      labels = {},
      space = 'space',
      instances = 1,
    }: { state?: string; labels?: Record<string, string>; space?: string; instances?: number } = {},
  ): void {
    this.put('/v3/apps', {
      guid,
      name: `name of ${guid}`,
      state,
      metadata: { labels, annotations: {} },
      relationships: { space: { data: { guid: space } } },
    })
    this.put('/v3/processes', { guid: `process of ${guid}`, type: 'web', instances, relationships: { app: { data: { guid } } } })
  }

  route({ guid, url, space = 'space', domain = 'mesh', destinations = [], labels = {}, options, created }: FakeRoute, touch = true): void {
    this.put(
      '/v3/routes',
      {
        guid,
        url,
        protocol: 'http',
        port: null,
        ...(created && { created_at: created }),
        destinations: destinations.map(({ app, type = 'web', port = 8080, protocol = 'http1', weight = null }) => ({
          guid: randomUUID(),
          app: { guid: app, process: { type } },
          port,
          protocol,
          weight,
        })),
        ...(options && { options }),
        metadata: { labels, annotations: {} },
        relationships: { space: { data: { guid: space } }, domain: { data: { guid: domain } } },
        something_new: { nested: [1] },
      },
      touch,
    )
  }

  audit(type: string, target: string, data: Record<string, unknown> = {}): void {
    this.put('/v3/audit_events', { guid: randomUUID(), type, target: { guid: target, type: 'x', name: 'x' }, data })
  }

  query(path: string, filter: Record<string, string>): Resource[] {
    const { guids, types } = filter
    const rows = [...(this.resources.get(path)?.values() ?? [])].filter(
      (row) =>
        (guids === undefined || guids.split(',').includes(row.guid)) &&
        (types === undefined || types.split(',').includes(row['type'] as string)) &&
        row.updated_at >= (filter['updated_ats[gte]'] ?? '') &&
        row.created_at >= (filter['created_ats[gte]'] ?? ''),
    )
    return structuredClone(filter['order_by'] === '-created_at' ? rows.reverse() : rows)
  }

  revokeTokens(): void {
    this.#valid.clear()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.url)
    this.requests.push(`${request.method} ${decodeURIComponent(request.url!)}`)
    for await (const _ of request);
    await delay(this.slowness)
    const reply = (status: number, body: string, headers: Record<string, string> = {}): void =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
    const answer = this.answers.get(url.pathname)?.shift()
    if (answer) return reply(answer.status ?? 200, answer.body ?? '', answer.headers)
    if (url.pathname === '/')
      return reply(200, JSON.stringify({ links: { self: { href: this.url }, login: { href: this.url }, uaa: { href: this.url } } }))
    if (url.pathname === '/oauth/token') {
      if (request.headers.authorization !== `Basic ${Buffer.from('syncer:secret').toString('base64')}`)
        return reply(401, '{"error":"unauthorized"}')
      const token = `token-${++this.tokens}`
      this.#valid.add(`bearer ${token}`)
      return reply(200, JSON.stringify({ access_token: token, token_type: 'bearer', expires_in: this.tokenLifetime }))
    }
    if (!this.#valid.has(request.headers.authorization ?? ''))
      return reply(401, '{"errors":[{"code":1000,"title":"CF-InvalidAuthToken","detail":"Invalid Auth Token"}]}')
    if (!this.resources.has(url.pathname)) return reply(404, '{"errors":[{"code":10000,"title":"CF-NotFound","detail":"Unknown request"}]}')
    const rows = this.query(url.pathname, Object.fromEntries(url.searchParams))
    const page = Number(url.searchParams.get('page') ?? 1)
    const perPage = Math.min(this.perPage, Number(url.searchParams.get('per_page') ?? 50))
    url.searchParams.set('page', String(page + 1))
    // Cloud Controller names itself as the world knows it, not as we reached it.
    const next = page * perPage < rows.length ? { href: `https://api.example.test${url.pathname}${url.search}` } : null
    reply(
      200,
      JSON.stringify({
        pagination: { total_results: rows.length, total_pages: Math.ceil(rows.length / perPage), next },
        resources: rows.slice((page - 1) * perPage, page * perPage),
      }),
    )
  }
}
