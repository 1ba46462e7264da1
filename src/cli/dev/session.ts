import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request, type Dispatcher } from 'undici'
import { messageOf, Problem, problem } from '../../common/problem.ts'

export const CloudControllerRefused = problem('MESHCTL_CC_REFUSED', 422, (what: string, why: string) => `${what}: ${why}`)
export const CloudControllerUnreachable = problem(
  'MESHCTL_CC_UNREACHABLE',
  503,
  (url: string, why: string) => `${url} does not answer (${why}); is it running?`,
)
export const JobFailed = problem('MESHCTL_JOB_FAILED', 422, (what: string, why: string) => `${what} failed: ${why}`)

export interface Credentials {
  /** Cloud Controller's base URL. */
  api: string
  user: string
  password: string
  /** A UAA client that signs in for itself, in place of a user: then `user` is its id and `password` its secret. */
  client?: boolean
  /** UAA's base URL, in place of the one that Cloud Controller names. */
  uaa?: string
  /** File with the CAs of an HTTPS address, PEM. */
  ca?: string
}

/** Any V3 resource, as far as this client looks into one. */
export interface V3Resource {
  guid: string
  name?: string
  state?: string
  [field: string]: unknown
}

interface Answer {
  body: V3Resource
  location: string | undefined
}

/** A signed-in conversation with a Cloud Controller (V3) and its UAA. */
export class Session {
  readonly #credentials: Credentials
  readonly #dispatcher: Dispatcher
  #token = ''

  constructor(credentials: Credentials) {
    this.#credentials = credentials
    this.#dispatcher = new Agent(credentials.ca ? { connect: { ca: readFileSync(credentials.ca) } } : {})
  }

  /** Signs in by password (RFC 6749 §4.3) as `cf auth` does, or as a client (§4.4). Throws `MESHCTL_CC_REFUSED` when UAA says no. */
  async signIn(): Promise<this> {
    const { user, password, client } = this.#credentials
    // As they are: UAA decodes them only where a header of its own says so.
    const basic = client ? `${user}:${password}` : 'cf:'
    const grant: Record<string, string> = client
      ? { grant_type: 'client_credentials' }
      : { grant_type: 'password', username: user, password }
    const { status, text } = await this.#ask(new URL(`${this.#credentials.uaa ?? (await this.#login())}/oauth/token`), {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(basic).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
      },
      body: new URLSearchParams(grant).toString(),
    })
    const answer = readJson<{ access_token?: string; error_description?: string }>(text)
    if (status !== 200 || !answer?.access_token) throw CloudControllerRefused('sign-in', answer?.error_description ?? `HTTP ${status}`)
    this.#token = answer.access_token
    return this
  }

  async get(path: string): Promise<V3Resource> {
    return (await this.#send('GET', this.#url(path))).body
  }

  /** A body that is a Buffer goes as it is, with its content type. */
  async post(path: string, body?: unknown, type?: string): Promise<V3Resource> {
    return this.#settled(await this.#send('POST', this.#url(path), body, type), path)
  }

  async patch(path: string, body: unknown): Promise<V3Resource> {
    return (await this.#send('PATCH', this.#url(path), body)).body
  }

  async delete(path: string): Promise<void> {
    await this.#settled(await this.#send('DELETE', this.#url(path)), path)
  }

  /** Every resource of a list, page by page. */
  async list(path: string): Promise<V3Resource[]> {
    const resources: V3Resource[] = []
    let next: URL | undefined = this.#url(path)
    while (next) {
      const page = (await this.#send('GET', next)).body as unknown as {
        resources: V3Resource[]
        pagination: { next: { href: string } | null }
      }
      resources.push(...page.resources)
      next = page.pagination.next ? this.#url(pathOf(page.pagination.next.href)) : undefined
    }
    return resources
  }

  /** The one resource of a list, or undefined. */
  async find(path: string): Promise<V3Resource | undefined> {
    return (await this.list(path))[0]
  }

  /** Uploads a package's bits (multipart/form-data, part `bits`). */
  async upload(path: string, bits: Buffer): Promise<V3Resource> {
    const form = new FormData()
    form.set('bits', new Blob([new Uint8Array(bits)], { type: 'application/zip' }), 'package.zip')
    const encoded = new Response(form)
    const body = Buffer.from(await encoded.arrayBuffer())
    return (await this.#send('POST', this.#url(path), body, encoded.headers.get('content-type') ?? '')).body
  }

  /** Log lines of a source, oldest first, from log-cache. */
  async logs(sourceGuid: string): Promise<LogLine[]> {
    const root = (await this.get('/')) as unknown as { links: { log_cache: { href: string } } }
    const { body } = await this.#send(
      'GET',
      new URL(`${root.links.log_cache.href}/api/v1/read/${sourceGuid}?descending=true&limit=100&envelope_types=LOG`),
    )
    const { envelopes } = body as unknown as { envelopes: { batch: Envelope[] } }
    return envelopes.batch.toReversed().map(toLogLine)
  }

  /** Asks `path` until `done` holds of the answer; gives up after `limit` milliseconds. */
  async poll(path: string, what: string, done: (resource: V3Resource) => boolean, limit = 120_000): Promise<V3Resource> {
    for (const end = Date.now() + limit; Date.now() < end; await delay(100)) {
      const resource = await this.get(path)
      if (done(resource)) return resource
    }
    throw JobFailed(what, `not done after ${limit / 1000} s`)
  }

  async close(): Promise<void> {
    await this.#dispatcher.close()
  }

  async #login(): Promise<string> {
    const root = (await this.#send('GET', new URL(this.#credentials.api))).body as unknown as { links: { login: { href: string } } }
    return root.links.login.href
  }

  #url(path: string): URL {
    return new URL(path, this.#credentials.api)
  }

  /** What is answered with 202 and a Location is done when its job is. */
  async #settled({ body, location }: Answer, what: string): Promise<V3Resource> {
    if (!location?.includes('/v3/jobs/')) return body
    const job = await this.poll(new URL(location).pathname, what, ({ state }) => state === 'COMPLETE' || state === 'FAILED')
    if (job.state === 'FAILED') throw JobFailed(what, JSON.stringify(job['errors']))
    return job
  }

  async #send(method: Dispatcher.HttpMethod, url: URL, content?: unknown, type = 'application/json'): Promise<Answer> {
    const { status, text, location } = await this.#ask(url, {
      method,
      headers: { ...(this.#token && { authorization: `bearer ${this.#token}` }), ...(content !== undefined && { 'content-type': type }) },
      body: content === undefined || Buffer.isBuffer(content) ? (content ?? null) : JSON.stringify(content),
    })
    const body = text ? readJson<V3Resource>(text) : ({} as V3Resource)
    if (status >= 400 || !body) throw refusal(`${method} ${url.pathname}`, status, text)
    return { body, location }
  }

  /** Throws `MESHCTL_CC_UNREACHABLE`. */
  async #ask(
    url: URL,
    options: Omit<Dispatcher.RequestOptions, 'origin' | 'path'>,
  ): Promise<{ status: number; text: string; location: string | undefined }> {
    try {
      const { statusCode: status, headers, body } = await request(url, { ...options, dispatcher: this.#dispatcher })
      return { status, text: await body.text(), location: [headers['location']].flat()[0] }
    } catch (error) {
      throw CloudControllerUnreachable(url.origin, messageOf(error) || String((error as { code?: string }).code))
    }
  }
}

/** Undefined for what is none. */
function readJson<Content>(text: string): Content | undefined {
  try {
    return JSON.parse(text) as Content
  } catch {
    return undefined
  }
}

/** What Cloud Controller links to is asked at the address that it was reached by, which may be an internal one. */
function pathOf(href: string): string {
  const { pathname, search } = new URL(href)
  return `${pathname}${search}`
}

export interface LogLine {
  /** ISO time. */
  time: string
  /** `APP/PROC/WEB`, `STG`, ... */
  source: string
  instance: string
  stream: 'OUT' | 'ERR'
  message: string
}

interface Envelope {
  timestamp: string
  instance_id: string
  tags?: Record<string, string>
  log: { payload: string; type?: string }
}

function toLogLine({ timestamp, instance_id, tags, log }: Envelope): LogLine {
  return {
    time: new Date(Number(BigInt(timestamp) / 1_000_000n)).toISOString(),
    source: tags?.['source_type'] ?? '',
    instance: instance_id,
    stream: log.type === 'ERR' ? 'ERR' : 'OUT',
    message: Buffer.from(log.payload, 'base64').toString('utf8').trimEnd(),
  }
}

/** Cloud Controller's own words: `{"errors":[{code,title,detail}]}`. */
function refusal(what: string, status: number, text: string): Problem {
  try {
    const { errors } = JSON.parse(text) as { errors: { detail: string; title: string }[] }
    return CloudControllerRefused(what, errors.map(({ title, detail }) => `${detail} (${title})`).join('; '))
  } catch {
    return CloudControllerRefused(what, `HTTP ${status}`)
  }
}
