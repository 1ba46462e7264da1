import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createLogger } from '../../src/common/log.ts'
import { createFoundation, type Foundation, type FoundationOptions } from '../../src/foundation/foundation.ts'
import { FakeDiego } from './fake-diego.ts'

export interface Answer {
  status: number
  body: any
  headers: Headers
}

export interface Session {
  (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  token: string
}

const local = { host: '127.0.0.1', port: 0 }

/** A foundation over a Diego that runs nothing, on free ports, gone with the test. */
export class Harness {
  readonly diego = new FakeDiego()
  readonly data: string
  readonly foundation: Foundation
  readonly url: string
  readonly uaa: string
  readonly logCache: string

  private constructor(foundation: Foundation, diego: FakeDiego, data: string) {
    this.foundation = foundation
    this.diego = diego
    this.data = data
    this.url = `http://127.0.0.1:${foundation.cloudController.port('http')}`
    this.uaa = `http://127.0.0.1:${foundation.uaa.port('http')}`
    this.logCache = `http://127.0.0.1:${foundation.logCache.port('http')}`
  }

  static async start(
    t: Test,
    { data = mkdtempSync(join(tmpdir(), 'foundation-')), ...options }: Partial<FoundationOptions> = {},
  ): Promise<Harness> {
    const diego = new FakeDiego()
    const foundation = await createFoundation({
      data,
      diego,
      log: createLogger('foundation', 'silent'),
      cloudController: { http: local },
      uaa: { http: local },
      logCache: { http: local },
      admin: { username: 'admin', password: 'admin-secret' },
      clients: [{ id: 'syncer', secret: 'syncer-secret', authorities: ['cloud_controller.admin_read_only'] }],
      tokens: { accessSeconds: 600, refreshSeconds: 3600 },
      systemDomain: 'sys.test',
      domains: [
        { name: 'apps.test', internal: false },
        { name: 'mesh.apps.test', internal: false },
        { name: 'apps.internal', internal: true },
      ],
      ...options,
    })
    for (const part of foundation.parts) await part.start()
    const harness = new Harness(foundation, diego, data)
    t.teardown(async () => {
      await harness.stop()
      rmSync(data, { recursive: true, force: true })
    })
    return harness
  }

  #stopped = false
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    for (const part of this.foundation.parts.toReversed()) await part.stop()
  }

  async grant(form: Record<string, string>, client = 'cf:'): Promise<Answer> {
    const headers = { authorization: `Basic ${Buffer.from(client).toString('base64')}` }
    return read(await fetch(`${this.uaa}/oauth/token`, { method: 'POST', headers, body: new URLSearchParams(form) }))
  }

  async login(username = 'admin', password = 'admin-secret'): Promise<Session> {
    const { body } = await this.grant({ grant_type: 'password', username, password })
    return this.session(body.access_token)
  }

  async loginClient(id = 'syncer', secret = 'syncer-secret'): Promise<Session> {
    const { body } = await this.grant({ grant_type: 'client_credentials' }, `${id}:${secret}`)
    return this.session(body.access_token)
  }

  session(token: string): Session {
    const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> => {
      const raw = typeof body === 'string' || body instanceof FormData
      return read(
        await fetch(path.startsWith('http') ? path : this.url + path, {
          method,
          headers: {
            authorization: `bearer ${token}`,
            ...(body !== undefined && !raw && { 'content-type': 'application/json' }),
            ...headers,
          },
          ...(body !== undefined && { body: raw ? body : JSON.stringify(body) }),
        }),
      )
    }
    return Object.assign(call, { token })
  }

  /** An organization and a space in it. */
  async target(admin: Session, organization = 'o', space = 's'): Promise<{ organization: string; space: string }> {
    const org = await admin('POST', '/v3/organizations', { name: organization })
    const made = await admin('POST', '/v3/spaces', { name: space, relationships: { organization: to(org.body.guid) } })
    return { organization: org.body.guid, space: made.body.guid }
  }

  /** A user with roles: `{space_developer: SPACE}`. */
  async user(admin: Session, name: string, roles: Record<string, string>): Promise<Session> {
    const made = await admin('POST', `${this.uaa}/Users`, { userName: name, password: `${name}-pw`, emails: [{ value: name }] })
    await admin('POST', '/v3/users', { guid: made.body.id })
    for (const [type, guid] of Object.entries(roles)) {
      const where = type.startsWith('space') ? 'space' : 'organization'
      const { status, body } = await admin('POST', '/v3/roles', { type, relationships: { user: to(made.body.id), [where]: to(guid) } })
      if (status !== 201) throw new Error(JSON.stringify(body))
    }
    return this.login(name, `${name}-pw`)
  }

  async domain(session: Session, name = 'apps.test'): Promise<string> {
    return (await session('GET', `/v3/domains?names=${name}`)).body.resources[0].guid
  }

  async route(session: Session, space: string, fields: Record<string, unknown> & { domain?: string }): Promise<any> {
    const { domain = 'apps.test', ...rest } = fields
    const { status, body } = await session('POST', '/v3/routes', {
      ...rest,
      relationships: { space: to(space), domain: to(await this.domain(session, domain)) },
    })
    if (status !== 201) throw new Error(JSON.stringify(body))
    return body
  }

  /** Pushes an app the way cf does, without a manifest; it is started. Answers its guid. */
  async push(session: Session, space: string, name: string): Promise<string> {
    const app = (await session('POST', '/v3/apps', { name, relationships: { space: to(space) } })).body.guid as string
    await this.stage(session, app)
    await session('POST', `/v3/apps/${app}/actions/start`)
    return app
  }

  /** Uploads bits, stages them and makes the droplet current. Answers its guid. */
  async stage(session: Session, app: string): Promise<string> {
    const found = (await session('POST', '/v3/packages', { type: 'bits', relationships: { app: to(app) } })).body.guid
    const form = new FormData()
    form.set('resources', '[]')
    form.set('bits', new Blob([emptyZip]), 'app.zip')
    await session('POST', `/v3/packages/${found}/upload`, form)
    const build = (await session('POST', '/v3/builds', { package: { guid: found } })).body.guid
    const staged = await until(
      () => session('GET', `/v3/builds/${build}`),
      ({ body }) => body.state !== 'STAGING',
    )
    if (staged.body.state !== 'STAGED') throw new Error(staged.body.error)
    await session('PATCH', `/v3/apps/${app}/relationships/current_droplet`, { data: { guid: staged.body.droplet.guid } })
    return staged.body.droplet.guid
  }
}

/** A zip file with nothing in it. */
export const emptyZip = Buffer.from('504b0506000000000000000000000000000000000000', 'hex')

export const to = (guid: string) => ({ data: { guid } })

async function read(response: Response): Promise<Answer> {
  const text = await response.text()
  const json = response.headers.get('content-type')?.includes('json')
  return { status: response.status, body: json && text ? JSON.parse(text) : text, headers: response.headers }
}

/** Asks again and again until `done`; fails after `limit` milliseconds. */
export async function until<T>(ask: () => Promise<T> | T, done: (value: T) => boolean, limit = 5000): Promise<T> {
  const end = Date.now() + limit
  for (;;) {
    const value = await ask()
    if (done(value)) return value
    if (Date.now() > end) throw new Error(`never came: ${JSON.stringify(value)}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
