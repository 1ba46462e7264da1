import { routeKey, type Exposure, type Route } from './records.ts'
import { normalizePath } from './path.ts'

/**
 * What bounds the work of one look-up, in Lua and here: a route's path has at most `segments` segments, and the domain
 * behind a wildcard's `*.` at most `labels` labels. Hosts and paths of requests may be longer.
 */
export const limits = { segments: 8, labels: 8 } as const

/**
 * The keys of the routes that can answer `host` and `path`, both in normal form, from the most specific to the least: the
 * exact host with the longest path first, then the wildcard domains, longest first, each again with the longest path first.
 */
export function candidates(exposure: Exposure, host: string, path: string): string[] {
  if (!host || host.includes('/')) return []
  const paths = prefixes(path)
  return [host, ...wildcards(host)].flatMap((host) => paths.map((path) => routeKey({ exposure, host, path })))
}

/** The key of the route that answers, if one of the candidates exists. */
export function findRoute(exposure: Exposure, host: string, path: string, exists: (key: string) => boolean): string | undefined {
  if (!host || host.includes('/')) return undefined
  const paths = prefixes(path)
  const among = (host: string): string | undefined => {
    const start = `${exposure}/${host}`
    for (const path of paths) if (exists(start + path)) return start + path
    return undefined
  }
  const exact = among(host)
  if (exact !== undefined) return exact
  for (const wildcard of wildcards(host)) {
    const found = among(wildcard)
    if (found !== undefined) return found
  }
  return undefined
}

/** `/a/b/c` → `/a/b/c`, `/a/b`, `/a`, and the empty prefix. */
function prefixes(path: string): string[] {
  const found = ['']
  for (let at = 0; at < path.length && found.length <= limits.segments;) {
    const slash = path.indexOf('/', at + 1)
    const end = slash < 0 ? path.length : slash
    if (end > at + 1) found.unshift(path.slice(0, end))
    at = end
  }
  return found
}

/** The wildcards whose routes can answer a host, the closest first: `a.b.c` → `*.b.c`, `*.c`. */
export function wildcards(host: string): string[] {
  const labels = host.split('.')
  const first = Math.max(1, labels.length - limits.labels)
  return labels.slice(first).map((_label, position) => `*.${labels.slice(first + position).join('.')}`)
}

const label = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?'
const hostName = new RegExp(`^(\\*\\.)?${label}(\\.${label})*$`)

/** Why no request could ever match the route, or undefined where one can. */
export function routeFault({ host, path }: Pick<Route, 'host' | 'path'>): string | undefined {
  if (host.length > 253 || !hostName.test(host)) return `host: ${JSON.stringify(host)} is no host name in lower case`
  const labels = host.split('.').length - 1
  if (host.startsWith('*.') && labels > limits.labels)
    return `host: a wildcard's domain can have ${limits.labels} labels, ${host} has ${labels}`
  if (path === '') return undefined
  const normal = normalizePath(path)?.replace(/\/+$/, '')
  if (normal === undefined || path.includes('?')) return `path: ${JSON.stringify(path)} is no path`
  if (normal !== path) return `path: ${path} is not in normal form; write ${normal || 'none'}`
  const segments = path.split('/').length - 1
  if (segments > limits.segments) return `path: can have ${limits.segments} segments, ${path} has ${segments}`
  return undefined
}
