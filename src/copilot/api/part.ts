import type { Server } from 'node:tls'
import type { TlsConfig } from '../../common/config.ts'
import type { Part } from '../../common/lifecycle.ts'
import { watchTls } from '../../common/tls.ts'
import type { Api } from './server.ts'

/** How long requests in flight may take at the end, milliseconds. */
const grace = 5000

export interface Served {
  listen: { host: string; port: number }
  /** Files of its certificate, followed while it serves. */
  tls?: TlsConfig
  /** Ends what would never end by itself; called before requests in flight are waited for. */
  ending?: () => void
}

/** A server as a part of the process. */
export function served(name: string, api: Api, { listen, tls, ending }: Served): Part {
  let unwatch = (): void => {}
  return {
    name,
    async start() {
      await api.listen(listen)
      if (tls) unwatch = watchTls(tls, (material) => (api.server as unknown as Server).setSecureContext(material))
    },
    async stop() {
      unwatch()
      ending?.()
      const timer = setTimeout(() => api.server.closeAllConnections(), grace)
      await api.close()
      clearTimeout(timer)
    },
  }
}
