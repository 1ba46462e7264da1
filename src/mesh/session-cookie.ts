/** The cookie that leads a session back to its instance; its value is the instance's guid. */
const cookieName = '__VCAP_ID__'

export interface SessionAnswer {
  /** `PATH NAME,NAME`: path of the cookie, and the names of the app's cookies that begin a session. */
  session: string
  /** Guid of the instance that answered. */
  instance: string
  /** `Cookie` of the request. */
  cookies: string | undefined
  /** Every `Set-Cookie` of the answer. */
  setCookies: string[]
}

/** The names of the app's cookies that begin a session, of `PATH NAME,NAME`. */
const namesOf = (session: string): string[] => session.slice(session.indexOf(' ') + 1).split(',')

/**
 * The guid of the instance that a request's `Cookie` leads to; undefined where the request has no session of `session`, as gorouter reads
 * it: a session that the app has ended leads nowhere.
 */
export function sessionInstance(cookies: string | undefined, session: string): string | undefined {
  if (!cookies?.includes(`${cookieName}=`)) return undefined
  const names = namesOf(session)
  const pairs = cookies.split(';').map((pair) => [nameOf(pair), pair.slice(pair.indexOf('=') + 1).trim()] as const)
  if (!pairs.some(([name]) => names.includes(name))) return undefined
  const value = pairs.find(([name]) => name === cookieName)?.[1] ?? ''
  return /^"(.*)"$/.exec(value)?.[1] ?? (value || undefined)
}

/**
 * The `Set-Cookie` that an answer needs besides its own, as gorouter makes it: where the app begins (or ends) a session, with the
 * attributes of the app's cookie, and where another instance has answered than the session's. Undefined where none is needed.
 */
export function sessionCookie({ session, instance, cookies, setCookies }: SessionAnswer): string | undefined {
  const path = session.slice(0, session.indexOf(' '))
  const names = namesOf(session)
  if (setCookies.some((cookie) => nameOf(cookie) === cookieName)) return undefined
  const own = setCookies.find((cookie) => names.includes(nameOf(cookie)))
  const asked = sessionInstance(cookies, session)
  if (own === undefined && (asked === undefined || asked === instance)) return undefined

  const given = attributes(own ?? '')
  const age = given.get('max-age') ?? ''
  const site = sites.get(given.get('samesite')?.toLowerCase() ?? '')
  return [
    `${cookieName}=${instance}`,
    `Path=${path}`,
    ...(given.has('expires') ? [`Expires=${given.get('expires')}`] : []),
    ...(/^-?\d+$/.test(age) && Number(age) <= 0 ? ['Max-Age=0'] : []),
    'HttpOnly',
    ...(given.has('secure') ? ['Secure'] : []),
    ...(site ? [`SameSite=${site}`] : []),
    ...(given.has('partitioned') ? ['Partitioned'] : []),
  ].join('; ')
}

const sites = new Map(['Lax', 'Strict', 'None'].map((site) => [site.toLowerCase(), site]))

function nameOf(cookie: string): string {
  return cookie.slice(0, Math.max(0, cookie.indexOf('='))).trim()
}

function attributes(cookie: string): Map<string, string> {
  const parts = cookie.split(';').slice(1)
  return new Map(
    parts.map((part) => {
      const at = part.indexOf('=')
      return at < 0 ? [part.trim().toLowerCase(), ''] : [part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()]
    }),
  )
}
