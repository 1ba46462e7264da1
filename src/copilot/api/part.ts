import type { Part } from '../../common/lifecycle.ts'
import type { Api } from './server.ts'

/** How long requests in flight may take at the end, milliseconds. */
const grace = 5000

/** A server as a part of the process. `ending` is told first, to end what would never end by itself. */
export function served(name: string, api: Api, listen: { host: string; port: number }, ending: () => void = () => {}): Part {
  return {
    name,
    async start() {
      await api.listen(listen)
    },
    async stop() {
      ending()
      const timer = setTimeout(() => api.server.closeAllConnections(), grace)
      await api.close()
      clearTimeout(timer)
    },
  }
}
