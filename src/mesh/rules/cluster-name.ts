/** What a cluster is of: a route, by its key; the apps of a space that are called so; or a host of a ServiceEntry. */
export type ClusterOwner =
  | { kind: 'route'; route: string }
  | { kind: 'apps'; space: string; name: string }
  | { kind: 'entry'; namespace: string; name: string; host: string }

/**
 * Names the cluster of a service, of a subset of it, or of one port. That of a whole route is the platform's own, named by the route's key.
 */
export function clusterName(id: string, subset: string | undefined, port: number | undefined): string {
  if (subset === undefined && port === undefined && id.startsWith('route ')) return id.slice('route '.length)
  return `rule/${subset ?? ''}/${port ?? ''}/${id}`
}

/** Whether a cluster is of rules only, and no route's own. */
export const isRuleCluster = (name: string): boolean => name.startsWith('rule/')

/** The parts of a cluster's name; the service is `route KEY`, `apps SPACE/NAME` or `entry NAMESPACE/NAME/HOST`. */
export function readClusterName(name: string): { service: string; subset?: string; port?: number } {
  if (!isRuleCluster(name)) return { service: `route ${name}` }
  const [, subset = '', port = '', ...rest] = name.split('/')
  return { service: rest.join('/'), ...(subset === '' ? {} : { subset }), ...(port === '' ? {} : { port: Number(port) }) }
}

/** What a service's id stands for. */
export function readServiceId(id: string): ClusterOwner {
  const [kind, key] = [id.slice(0, id.indexOf(' ')), id.slice(id.indexOf(' ') + 1)]
  const [space = '', name = '', host = ''] = key.split('/')
  if (kind === 'apps') return { kind, space, name }
  return kind === 'entry' ? { kind, namespace: space, name, host } : { kind: 'route', route: key }
}
