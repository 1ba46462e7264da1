import { sessionCookie } from '../../../mesh/session-cookie.ts'
import type { FilterType } from './filter.ts'

const sessionHeader = 'x-mesh-session'

/** Gives a session the cookie by which it comes back to its instance. In Envoy it is a Lua filter. */
export const stickySessions: FilterType = {
  name: 'mesh.sticky-sessions',
  onlyWhere: true,
  compile: () => ({
    response(headers, exchange) {
      const session = headers.get(sessionHeader)
      if (session === undefined) return
      headers.remove(sessionHeader)
      const instance = exchange.endpoint?.hostname
      if (!instance) return
      const setCookies = headers.list.filter((_value, position) => position % 2 === 1 && headers.list[position - 1] === 'set-cookie')
      const cookie = sessionCookie({ session, instance, cookies: exchange.headers.all('cookie').join(';'), setCookies })
      if (cookie !== undefined) headers.add('set-cookie', cookie)
    },
  }),
}
