import { request, type Dispatcher } from 'undici'
import { messageOf } from '../../common/problem.ts'
import { LoginRefused, Unreachable } from '../problems.ts'

/** What UAA gives for a login (RFC 6749 §5.1). */
export interface Grant {
  accessToken: string
  refreshToken?: string
}

/** The OAuth client of the cf CLI, which has no secret. */
const cf = { id: 'cf', secret: '' }

/** Asks UAA for tokens. Throws `MESHCTL_LOGIN_REFUSED`, `MESHCTL_UNREACHABLE`. */
export async function askUaa(uaa: string, form: Record<string, string>, { client = cf, dispatcher }: { client?: { id: string; secret: string }; dispatcher?: Dispatcher | undefined } = {}): Promise<Grant> {
  const url = `${uaa.replace(/\/+$/, '')}/oauth/token`
  let status: number
  let text: string
  try {
    const { statusCode, body } = await request(url, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}` },
      body: new URLSearchParams(form).toString(),
      headersTimeout: 30_000,
      bodyTimeout: 30_000,
      ...(dispatcher && { dispatcher }),
    })
    status = statusCode
    text = await body.text()
  } catch (error) {
    throw Unreachable(uaa, messageOf(error) || String((error as { code?: string }).code))
  }
  const answer = parse(text)
  if (status !== 200 || !answer.access_token) throw LoginRefused(uaa, answer.error_description ?? answer.error ?? `HTTP ${status}`)
  return { accessToken: answer.access_token, ...(answer.refresh_token && { refreshToken: answer.refresh_token }) }
}

interface Answer {
  access_token?: string
  refresh_token?: string
  error?: string
  error_description?: string
}

function parse(text: string): Answer {
  try {
    return JSON.parse(text) as Answer
  } catch {
    return {}
  }
}

/** Whether a token is good for at least half a minute more; one that says nothing of it is. */
export function lasts(token: string, now = Date.now()): boolean {
  try {
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { exp?: number }
    return exp === undefined || exp * 1000 > now + 30_000
  } catch {
    return true
  }
}
