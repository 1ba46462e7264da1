import { setTimeout as delay } from 'node:timers/promises'
import { Type, type Static, type TSchema } from 'typebox'
import { Backoff } from '../../common/backoff.ts'
import { messageOf, problem } from '../../common/problem.ts'
import { header, HttpClient, type HttpAnswer } from '../http.ts'
import { parseJson } from '../json.ts'
import { RateLimit } from './rate-limit.ts'

export const CloudControllerRefused = problem(
  'MESH_CC_REFUSED',
  502,
  (url: string, status: number, why: string) => `${url}: answered ${status}: ${why}`,
)
export const ListShort = problem(
  'MESH_CC_LIST_SHORT',
  502,
  (url: string, got: number, total: number) => `${url}: ${got} of ${total} resources came`,
)

const link = Type.Object({ href: Type.String({ minLength: 1 }) })
const Root = Type.Object({ links: Type.Object({ login: Type.Optional(link), uaa: Type.Optional(Type.Union([link, Type.Null()])) }) })

const page = <Resource extends TSchema>(resource: Resource) =>
  Type.Object({
    pagination: Type.Object({
      total_results: Type.Integer({ minimum: 0 }),
      next: Type.Optional(Type.Union([link, Type.Null()])),
    }),
    resources: Type.Array(resource),
  })
type Page<Schema extends TSchema> = Static<ReturnType<typeof page<Schema>>>
const pages = new WeakMap<TSchema, TSchema>()

/** Filters of a list, as `guids`, `types` or `updated_ats[gte]`. */
export type ListFilter = Record<string, string>

export interface CloudControllerOptions {
  url: string
  /** Gives a bearer token; told to forget one that was refused. */
  tokens: { token(): Promise<string>; discard(token: string): void }
  ca?: string | undefined
  /** How often one request is sent before it fails. */
  attempts?: number
  backoff?: { min: number; max: number }
  perPage?: number
}

/** The guids that one request may name, so that its line stays short of every proxy's limit. */
const guidsAtOnce = 100

/**
 * Cloud Controller's V3 API, read only. Requests that meet 401, 429, 5xx or no answer are repeated with jitter; what is no
 * JSON, lacks a field, or ends before its `total_results` is an error and never data.
 */
export class CloudController {
  readonly #options: Required<Pick<CloudControllerOptions, 'attempts' | 'perPage'>> & CloudControllerOptions
  readonly #client: HttpClient
  readonly #limit = new RateLimit()

  constructor(options: CloudControllerOptions) {
    this.#options = { attempts: 4, perPage: 5000, ...options }
    this.#client = new HttpClient({ url: options.url, ca: options.ca, timeout: 60_000, maxBytes: 256 << 20 })
  }

  /** UAA's address, as the root document gives it. */
  async discoverUaa(signal?: AbortSignal): Promise<string> {
    const { links } = parseJson(Root, await this.#get('/', signal), `${this.#client.origin}/`)
    const found = links.uaa ?? links.login
    if (!found) throw CloudControllerRefused(`${this.#client.origin}/`, 200, 'its links name neither uaa nor login')
    return found.href
  }

  /** Every resource of a list; one that stands on two pages comes once. */
  async list<Schema extends TSchema>(
    path: string,
    schema: Schema,
    filter: ListFilter = {},
    signal?: AbortSignal,
  ): Promise<Static<Schema>[]> {
    for (let left = 3; ; left--) {
      try {
        return await this.#pages(path, schema, filter, signal)
      } catch (error) {
        // Resources that come and go meanwhile move the pages; then all is read again.
        if ((error as { code?: string }).code !== ListShort.code || left <= 1) throw error
      }
    }
  }

  /** The first page of a list only. */
  async firstPage<Schema extends TSchema>(
    path: string,
    schema: Schema,
    filter: ListFilter,
    signal?: AbortSignal,
  ): Promise<Static<Schema>[]> {
    return (await this.#page(`${path}?${new URLSearchParams(filter).toString()}`, schema, signal)).resources
  }

  /** The resources of these guids that exist. */
  async listGuids<Schema extends TSchema>(
    path: string,
    schema: Schema,
    guids: Iterable<string>,
    signal?: AbortSignal,
  ): Promise<Static<Schema>[]> {
    const all = [...guids]
    const found: Static<Schema>[] = []
    for (let at = 0; at < all.length; at += guidsAtOnce)
      found.push(...(await this.list(path, schema, { guids: all.slice(at, at + guidsAtOnce).join(',') }, signal)))
    return found
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  async #pages<Schema extends TSchema>(
    path: string,
    schema: Schema,
    filter: ListFilter,
    signal: AbortSignal | undefined,
  ): Promise<Static<Schema>[]> {
    const url = this.#client.origin + path
    const found = new Map<string, Static<Schema>>()
    const seen = new Set<string>()
    let next: string | undefined = `${path}?${new URLSearchParams({ ...filter, per_page: String(this.#options.perPage) }).toString()}`
    let total = 0
    let received = 0
    while (next) {
      seen.add(next)
      const { pagination, resources }: Page<Schema> = await this.#page(next, schema, signal)
      for (const resource of resources) found.set((resource as { guid: string }).guid, resource)
      received += resources.length
      total = pagination.total_results
      next = pagination.next ? pathOf(pagination.next.href, url) : undefined
      if (next && (seen.has(next) || !resources.length)) throw ListShort(url, received, total)
    }
    if (received < total) throw ListShort(url, received, total)
    return [...found.values()]
  }

  async #page<Schema extends TSchema>(path: string, schema: Schema, signal: AbortSignal | undefined): Promise<Page<Schema>> {
    let pageSchema = pages.get(schema)
    if (!pageSchema) pages.set(schema, (pageSchema = page(schema)))
    return parseJson(pageSchema, await this.#get(path, signal, true), this.#client.origin + path.replace(/\?.*/s, '')) as Page<Schema>
  }

  async #get(path: string, signal?: AbortSignal, authorized = false): Promise<HttpAnswer> {
    const backoff = new Backoff({ min: 250, max: 2_000, ...this.#options.backoff })
    for (let left = this.#options.attempts; ; left--) {
      try {
        return await this.#once(path, authorized, signal)
      } catch (error) {
        const { code } = error as { code?: string }
        if (signal?.aborted || left <= 1 || (code === CloudControllerRefused.code && !(error as Repeatable).repeatable)) throw error
        await delay(Math.max(backoff.next(), this.#limit.wait()), undefined, { signal })
      }
    }
  }

  async #once(path: string, authorized: boolean, signal: AbortSignal | undefined): Promise<HttpAnswer> {
    await delay(this.#limit.wait(), undefined, { signal })
    const token = authorized ? await this.#options.tokens.token() : undefined
    const answer = await this.#client.request({
      path,
      headers: { accept: 'application/json', ...(token && { authorization: `bearer ${token}` }) },
      signal,
    })
    this.#limit.heed(answer)
    if (answer.status === 200) return answer
    if (answer.status === 401 && token) this.#options.tokens.discard(token)
    const repeatable = answer.status === 401 || answer.status === 429 || answer.status >= 500
    throw Object.assign(CloudControllerRefused(this.#client.origin + path.replace(/\?.*/s, ''), answer.status, reason(answer)), {
      repeatable,
    })
  }
}

interface Repeatable {
  repeatable: boolean
}

/** The path and query of a link; the host is ours, whatever name Cloud Controller has for itself, so that no token goes elsewhere. */
function pathOf(href: string, base: string): string {
  try {
    const { protocol, pathname, search } = new URL(href, base)
    if (!/^https?:$/.test(protocol)) throw new TypeError(`${protocol} is no scheme of Cloud Controller`)
    return pathname + search
  } catch (error) {
    throw ListShort(`${base}: pagination.next.href: ${messageOf(error)}`, 0, 0)
  }
}

function reason(answer: HttpAnswer): string {
  const text = answer.body.toString('utf8')
  try {
    const { errors } = JSON.parse(text) as { errors?: { title?: string; detail?: string }[] }
    if (errors?.[0]) return `${errors[0].title}: ${errors[0].detail}`
  } catch {}
  return `${header(answer, 'content-type') ?? 'no content type'}, ${JSON.stringify(text.slice(0, 100))}`
}
