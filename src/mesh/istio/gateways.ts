import type { Server } from './types.ts'

/** The key of the Gateway that a resource of `namespace` calls `NAME`, `NAMESPACE/NAME`, or in the old form `NAME.NAMESPACE…`. */
export function gatewayKey(written: string, namespace: string): string {
  const [first = '', second] = written.split('/')
  if (second !== undefined) return `gateway/${first}/${second}`
  const [bare = '', within = namespace] = written.split('.')
  return `gateway/${within}/${bare}`
}

/** The hosts of a server, without the namespaces that may stand before them. */
export const hostsOfServer = ({ hosts = [] }: Server): string[] => hosts.map((written) => written.slice(written.indexOf('/') + 1))
