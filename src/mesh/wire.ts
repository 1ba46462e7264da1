/**
 * A text of configuration as HTTP sends it: a character a byte, as Node gives header fields. Envoy compares bytes, and its regular
 * expressions take each for a character of Latin-1.
 */
export function wireText(text: string): string {
  return /^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** The first value of a parameter of a query, which is without its `?`: as it was sent, since Envoy decodes neither names nor values. */
export function queryValue(query: string, name: string): string | undefined {
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=')
    if ((at < 0 ? pair : pair.slice(0, at)) === name) return at < 0 ? '' : pair.slice(at + 1)
  }
  return undefined
}

/** Fields of which Envoy keeps one value for each request (its inline headers): several are joined as they come, without the empty ones. */
const joined = new Set(
  `accept accept-encoding access-control-request-headers access-control-request-method access-control-request-private-network authorization cache-control content-encoding
  content-type expect grpc-accept-encoding grpc-timeout if-match if-modified-since if-none-match if-range if-unmodified-since origin pragma referer user-agent via x-client-trace-id
  x-forwarded-host x-forwarded-port`.split(/\s+/),
)

/**
 * What a condition on a field of several values is held against, of which one must meet it: each of them, or all in one. `name` is in lower
 * case.
 */
export function fieldValues(name: string, values: string[]): string[] {
  if (values.length < 2 || !joined.has(name)) return values
  return [values.filter(Boolean).join(',')]
}
