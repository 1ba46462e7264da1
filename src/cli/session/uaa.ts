import { request, type Dispatcher } from 'undici'
import { LoginRefused } from '../problems.ts'
import { connectionProblem } from './connect.ts'

/** What UAA gives for a login (RFC 6749 §5.1). */
export interface Grant {
  accessToken: string
  refreshToken?: string
}

/** The OAuth client of the cf CLI, which has no secret. */
const cf = { id: 'cf', secret: '' }

interface AskOptions {
  client?: { id: string; secret: string }
  dispatcher: Dispatcher
  /** What to do where UAA gives none, a sentence. */
  remedy: string
}

/** Asks UAA for tokens. Throws `MESHCTL_LOGIN_REFUSED`, `MESHCTL_UAA_UNREACHABLE`, `MESHCTL_UNTRUSTED`. */
export async function askUaa(uaa: string, form: Record<string, string>, { client = cf, dispatcher, remedy }: AskOptions): Promise<Grant> {
  const url = `${uaa.replace(/\/+$/, '')}/oauth/token`
  let status: number
  let text: string
  try {
    const { statusCode, body } = await request(url, {
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`,
      },
      body: new URLSearchParams(form).toString(),
      dispatcher,
    })
    status = statusCode
    text = await body.text()
  } catch (error) {
    throw connectionProblem('UAA', uaa, error)
  }
  const answer = parse<Answer>(text)
  if (status !== 200 || !answer.access_token) throw LoginRefused(uaa, answer.error_description ?? answer.error ?? `HTTP ${status}`, remedy)
  return { accessToken: answer.access_token, ...(answer.refresh_token && { refreshToken: answer.refresh_token }) }
}

interface Answer {
  access_token?: string
  refresh_token?: string
  error?: string
  error_description?: string
}

function parse<Content extends object>(text: string): Partial<Content> {
  try {
    return (JSON.parse(text) ?? {}) as Content
  } catch {
    return {}
  }
}

interface Claims {
  /** When it ends, seconds since 1970. */
  exp?: number
  user_name?: string
}

/** What a token says; nothing where it cannot be read. */
export function claimsOf(token: string): Claims {
  return parse<Claims>(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

/** Whether a token is good for at least half a minute more; one that says nothing of it is. */
export function lasts(token: string, now = Date.now()): boolean {
  const { exp } = claimsOf(token)
  return exp === undefined || exp * 1000 > now + 30_000
}
