/** Bytes that a request line or `:path` cannot have: controls, space, DEL, anything beyond ASCII, and a fragment's `#`. */
const forbidden = /[^!-~]|#/

const escapedSpecials = /["<>^`{|}]/g
const unreserved = /[\w.~-]/

/**
 * The one normal form of a request's path, by which routes are matched and which the app receives, exactly as Envoy makes it
 * (`normalize_path`, `merge_slashes`, `path_with_escaped_slashes_action: KEEP_UNCHANGED`); a test holds the two equal:
 *
 * - a plainly written dot segment loses its parameters (`/..;x/` is `/../`);
 * - `\` is `/`; escapes of unreserved characters are decoded (`%41` is `A`), all others stay as they came, so that `%2F`
 *   and `%5C` never part segments; a `%` that begins no escape stays, or becomes `%25` where decoding would make it one;
 * - `"<>^{|}` and the backtick are escaped;
 * - dot segments, written plainly or escaped, are resolved; then repeated slashes are merged.
 *
 * `path` is without query. Undefined for what is no path, or has an encoded NUL: the answer is then 400.
 */
export function normalizePath(path: string): string | undefined {
  if (!path.startsWith('/') || forbidden.test(path)) return undefined
  const bare = path.includes('/.') ? path.replace(/\/(\.\.?);[^/]*/g, '/$1') : path
  if (bare.includes('%00')) return undefined
  return mergeSlashes(resolveDots(canonicalEscapes(bare.replaceAll('\\', '/'))))
}

/** A request target as its path and its query, which begins with `?` or is empty. */
export function splitTarget(target: string): { path: string; query: string } {
  const at = target.indexOf('?')
  return at < 0 ? { path: target, query: '' } : { path: target.slice(0, at), query: target.slice(at) }
}

function canonicalEscapes(path: string): string {
  if (!/[%"<>^`{|}]/.test(path)) return path
  return path
    .replace(/%([0-9a-f]{2})?/gi, (escape, hex: string | undefined) => {
      if (hex === undefined) return '\0'
      const character = String.fromCharCode(Number.parseInt(hex, 16))
      return unreserved.test(character) ? character : escape
    })
    .replace(/\0(?=[0-9a-f]{2})/gi, '%25')
    .replaceAll('\0', '%')
    .replace(escapedSpecials, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

function resolveDots(path: string): string {
  if (!path.includes('/.')) return path
  const resolved: string[] = []
  const segments = path.slice(1).split('/')
  for (const [position, segment] of segments.entries()) {
    const dots = segment === '.' || segment === '..'
    if (segment === '..') resolved.pop()
    if (!dots) resolved.push(segment)
    else if (position === segments.length - 1) resolved.push('')
  }
  return `/${resolved.join('/')}`
}

function mergeSlashes(path: string): string {
  if (!path.includes('//')) return path
  const end = path.endsWith('/') ? '/' : ''
  return `/${path.split('/').filter(Boolean).join('/')}${end}`
}
