import { request, type Dispatcher } from 'undici'
import type { ProblemBody } from '../common/problem.ts'
import { connectionProblem, copilotAgent, uaaAgent } from './session/connect.ts'
import type { TokenContext, Tokens } from './session/tokens.ts'
import { NotCopilot, NotLoggedIn, Refused, Usage } from './problems.ts'

export interface ApiOptions {
  /** copilot's address. */
  url: string
  /** File with the CAs of an HTTPS address, PEM. */
  ca?: string | undefined
  /** Makes what the API is shown; nothing where absent. */
  tokens?: (context: TokenContext) => Tokens
}

export type Query = Record<string, string | number | boolean | string[] | undefined>

/** copilot's API for people. Throws its problems, `MESHCTL_UNREACHABLE`, `MESHCTL_UNTRUSTED` and `MESHCTL_NOT_COPILOT`. */
export class Api {
  readonly #base: string
  readonly #dispatcher: Dispatcher
  readonly #tokens: Tokens | undefined

  constructor({ url, ca, tokens }: ApiOptions) {
    this.#base = url.replace(/\/+$/, '')
    if (!/^https?:\/\//.test(this.#base) || !URL.canParse(this.#base)) throw Usage(`--api: ${this.#base} is no http:// or https:// address`)
    this.#dispatcher = copilotAgent(ca)
    this.#tokens = tokens?.({ dispatcher: uaaAgent(ca), uaa: () => this.#uaa() })
  }

  get<Body>(path: string, query: Query = {}): Promise<Body> {
    return this.#send('GET', withQuery(path, query))
  }

  /** The lines of an NDJSON stream, for as long as it lasts. */
  async *stream<Line>(path: string, query: Query = {}): AsyncGenerator<Line> {
    const { statusCode, body } = await this.#authorized('GET', withQuery(path, query), undefined, 30_000)
    if (statusCode !== 200) this.#refuse(statusCode, await body.text())
    let rest = ''
    try {
      for await (const chunk of body.setEncoding('utf8') as AsyncIterable<string>) {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop()!
        for (const line of lines) if (line) yield JSON.parse(line) as Line
      }
    } catch (error) {
      throw connectionProblem('copilot', this.#base, error)
    }
  }

  post<Body>(path: string, body: object): Promise<Body> {
    return this.#send('POST', path, body)
  }

  put<Body>(path: string, body?: object): Promise<Body> {
    return this.#send('PUT', path, body)
  }

  delete<Body>(path: string, query: Query = {}): Promise<Body> {
    return this.#send('DELETE', withQuery(path, query))
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

  async #send<Body>(method: Method, path: string, body?: object): Promise<Body> {
    const { statusCode, body: answer } = await this.#authorized(method, path, body)
    let text: string
    try {
      text = await answer.text()
    } catch (error) {
      throw connectionProblem('copilot', this.#base, error)
    }
    const value = parse(text)
    if (statusCode < 400 && value) return value as Body
    return this.#refuse(statusCode, text)
  }

  /** Asks with a token, and once more with another one where that was refused. */
  async #authorized(method: Method, path: string, body?: object, bodyTimeout?: number): Promise<Dispatcher.ResponseData> {
    const token = await this.#tokens?.token()
    const answer = await this.#request(method, path, { token, body, bodyTimeout })
    if (answer.statusCode !== 401 || token === undefined) return answer
    const another = await this.#tokens?.token(token)
    if (another === undefined) return answer
    await answer.body.dump()
    return this.#request(method, path, { token: another, body, bodyTimeout })
  }

  async #request(
    method: Method,
    path: string,
    { token, body, bodyTimeout = 30_000 }: { token?: string | undefined; body?: object | undefined; bodyTimeout?: number | undefined },
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await request(`${this.#base}${path}`, {
        method,
        dispatcher: this.#dispatcher,
        headers: {
          ...(token && { authorization: `Bearer ${token}` }),
          accept: 'application/json',
          ...(body && { 'content-type': 'application/json' }),
        },
        body: body && JSON.stringify(body),
        bodyTimeout,
      })
    } catch (error) {
      throw connectionProblem('copilot', this.#base, error)
    }
  }

  /** Where copilot sends people to log in; undefined where it asks nobody. */
  async #uaa(): Promise<string | undefined> {
    const { statusCode, body } = await this.#request('GET', '/v1/info', {})
    const text = await body.text()
    const info = (parse(text) ?? this.#refuse(statusCode, text)) as { login?: string }
    return info.login
  }

  #refuse(status: number, text: string): never {
    const { code, message, ...more } = (parse(text) ?? {}) as Partial<ProblemBody>
    if (!code || !message) throw NotCopilot(this.#base, status)
    if (code === 'MESH_TOKEN_MISSING') throw NotLoggedIn(this.#base)
    throw new Refused({ code, message, ...more }, status)
  }
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

function withQuery(path: string, query: Query): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one): [string, string] => [name, String(one)]),
  )
  const search = new URLSearchParams(given).toString()
  return search ? `${path}?${search}` : path
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
