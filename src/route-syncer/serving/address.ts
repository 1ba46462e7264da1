import { normalizeHost } from '../../mesh/host.ts'
import { normalizePath } from '../../mesh/path.ts'

/** Host and path of a route as the platform has it, in the mesh's normal form. */
export interface Address {
  host: string
  /** Empty, or a prefix without trailing slash. */
  path: string
}

/** Reads `host.domain/path`, as both sources write it. Undefined for what is none, as a TCP route's `domain:1024`. */
export function readAddress(text: string): Address | undefined {
  const slash = text.indexOf('/')
  const authority = slash < 0 ? text : text.slice(0, slash)
  const path = slash < 0 ? '' : normalizePath(text.slice(slash))?.replace(/\/$/, '')
  if (path === undefined || path.includes('?') || path.length > 1024 || authority.length > 253 || !/^(\*\.)?[\w.-]+$/.test(authority))
    return undefined
  return { host: normalizeHost(authority), path }
}
