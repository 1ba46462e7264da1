import type { Route } from '../../mesh/records.ts'
import type { Source } from '../model/model.ts'

/** Where the operator's own resources live. */
export const operatorNamespace = 'mesh-system'

/** The ways to write `host` in a resource of `namespace`, from the most specific to the least; a wildcard stands for what is beneath it. */
export function spellings(view: Source, host: string, namespace: string): string[][] {
  const [first = '', ...rest] = host.split('.')
  const wildcards = rest.map((_label, position) => `*.${rest.slice(position).join('.')}`)
  const own = first === '*' || namespace === operatorNamespace ? [] : serviceNames(view, first, namespace)
  return [[host, ...own], ...wildcards.filter((wildcard) => wildcard !== host).map((wildcard) => [wildcard]), ['*']]
}

/** The ways to write the service NAME of a space: `NAME`, `NAME.SPACE`, `NAME.SPACE.ORG`, and as in Kubernetes. */
export function serviceNames(view: Source, service: string, space: string): string[] {
  const record = view.get('space', space)
  if (!record) return [service]
  const organization = view.get('organization', record.organization)?.name
  const long = `${service}.${record.name}`.toLowerCase()
  return [service, long, `${long}.svc`, `${long}.svc.cluster.local`, ...(organization === undefined ? [] : [`${long}.${organization}`.toLowerCase()])]
}

/** Whether a resource of `namespace` may shape a route: one of its own space, or any for the operator. */
export const mayShape = (namespace: string, { space }: Pick<Route, 'space'>): boolean => namespace === operatorNamespace || namespace === space

/** Oldest first; of the same age by name. */
export function byAge(a: { metadata: { createdAt: string; name: string; namespace: string } }, b: typeof a): number {
  const [left, right] = [a, b].map(({ metadata: { createdAt, namespace, name } }) => `${createdAt} ${namespace}/${name}`) as [string, string]
  return left < right ? -1 : left > right ? 1 : 0
}
