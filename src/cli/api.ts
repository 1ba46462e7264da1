import { readFileSync } from 'node:fs'
import { Agent, request, type Dispatcher } from 'undici'
import { messageOf, Problem, type ProblemBody } from '../common/problem.ts'
import { FileUnreadable, NotCopilot, Unreachable, Usage } from './problems.ts'

export interface ApiOptions {
  /** copilot's address. */
  url: string
  /** File with the CAs of an HTTPS address, PEM. */
  ca?: string
  /** UAA access token, with or without `bearer ` in front. */
  token?: string
}

export type Query = Record<string, string | number | undefined>

/** copilot's API for people. Throws its problems, `MESHCTL_UNREACHABLE` and `MESHCTL_NOT_COPILOT`. */
export class Api {
  readonly #base: string
  readonly #dispatcher: Dispatcher
  readonly #headers: Record<string, string>

  constructor({ url, ca, token }: ApiOptions) {
    this.#base = url.replace(/\/+$/, '')
    if (!/^https?:\/\//.test(this.#base) || !URL.canParse(this.#base)) throw Usage(`--api: ${this.#base} is no http:// or https:// address`)
    this.#dispatcher = new Agent({ connect: { timeout: 5000, ...(ca && { ca: readCa(ca) }) }, headersTimeout: 30_000, bodyTimeout: 30_000 })
    this.#headers = token ? { authorization: `Bearer ${token.replace(/^bearer +/i, '')}` } : {}
  }

  get<Body>(path: string, query: Query = {}): Promise<Body> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined)
    const search = new URLSearchParams(given as [string, string][]).toString()
    return this.#send('GET', search ? `${path}?${search}` : path)
  }

  post<Body>(path: string, body: object): Promise<Body> {
    return this.#send('POST', path, body)
  }

  delete<Body>(path: string): Promise<Body> {
    return this.#send('DELETE', path)
  }

  /** All items of a list, page by page, or the first `limit` of them. */
  async list<Item>(path: string, query: Query = {}, limit = Infinity): Promise<Item[]> {
    const items: Item[] = []
    let cursor: string | undefined
    do {
      const page = await this.get<{ items: Item[]; next?: string }>(path, { ...query, limit: Math.min(1000, limit - items.length), cursor })
      items.push(...page.items)
      cursor = page.next
    } while (cursor && items.length < limit)
    return items
  }

  async #send<Body>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<Body> {
    let status: number
    let text: string
    try {
      const answer = await request(`${this.#base}${path}`, {
        method,
        dispatcher: this.#dispatcher,
        headers: { ...this.#headers, accept: 'application/json', ...(body && { 'content-type': 'application/json' }) },
        body: body && JSON.stringify(body),
      })
      status = answer.statusCode
      text = await answer.body.text()
    } catch (error) {
      throw Unreachable(this.#base, reason(error))
    }
    const answer = parse(text)
    if (status < 400 && answer) return answer as Body
    const { code, message, path: at } = (answer ?? {}) as Partial<ProblemBody>
    if (!code || !message) throw NotCopilot(this.#base, status)
    throw new Problem(code, status, message, at)
  }
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw FileUnreadable('--ca', file, messageOf(error))
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Why a connection failed; Node has nothing but a code where it tried several addresses. */
function reason(error: unknown): string {
  return messageOf(error) || String((error as { code?: string }).code)
}
