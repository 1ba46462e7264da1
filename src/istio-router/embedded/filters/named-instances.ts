import { instanceOf, readNamedInstance, type Refusal } from '../../../mesh/named-instance.ts'
import { sessionInstance } from '../../../mesh/session-cookie.ts'
import type { Exchange } from '../exchange.ts'
import type { Cluster, Endpoint } from '../upstream/cluster.ts'
import type { FilterType } from './filter.ts'

/** The endpoint that a request asks for. */
export interface WantedEndpoint {
  /** It, if the cluster has it. */
  find: (cluster: Cluster) => Endpoint | undefined
  /** Answers the request where there is none such; absent where any other will do. */
  refuse?: () => void
}

const appHeader = 'x-mesh-app-instance'
const processHeader = 'x-mesh-process-instance'

/** Sends a request to the instance that it names by header, or by the cookie of its session. In Envoy it is a Lua filter. */
export const namedInstances: FilterType = {
  name: 'mesh.named-instances',
  onlyWhere: true,
  compile: () => ({
    request(headers, exchange) {
      const named = readNamedInstance(headers.get(appHeader), headers.get(processHeader))
      if (named && 'error' in named) {
        refuse(exchange, named)
        return false
      }
      if (named) {
        const of =
          ({ config }: Cluster) =>
          (endpoint: Endpoint) =>
            named.matches(instanceOf(endpoint.hostname, endpoint.metadata['mesh'], config.metadata['mesh']))
        exchange.wanted = {
          find: (cluster) => anyOf(cluster.endpoints.filter(of(cluster))),
          refuse: () => refuse(exchange, named.missing(exchange.authority)),
        }
        return true
      }
      const cookies = headers.all('cookie').join(';')
      if (cookies !== '') exchange.wanted = { find: (cluster) => ofSession(cluster, cookies) }
      return true
    },
  }),
}

function ofSession({ config, endpoints }: Cluster, cookies: string): Endpoint | undefined {
  const session = config.metadata['mesh']?.['session']
  const guid = typeof session === 'string' ? sessionInstance(cookies, session) : undefined
  return guid === undefined ? undefined : endpoints.find(({ hostname }) => hostname === guid)
}

function refuse(exchange: Exchange, { error, body }: Refusal): void {
  exchange.reply(400, body, undefined, error, [
    'content-type',
    'text/plain; charset=utf-8',
    'x-content-type-options',
    'nosniff',
    'cache-control',
    'no-cache, no-store',
    'x-cf-routererror',
    error,
  ])
}

function anyOf<T>(list: T[]): T | undefined {
  return list[Math.floor(Math.random() * list.length)]
}
