import { codes, type Findings } from './finding.ts'
import { reach } from './ownership.ts'
import type { Platform } from './platform.ts'
import type { HttpMatch, RateLimit, VirtualService } from './types.ts'

/**
 * Warns of conditions on callers that never hold, since all hosts of the resource are public: there nobody shows the certificate of an
 * instance.
 */
export function warnOfCallers({ kind, metadata, spec }: VirtualService | RateLimit, platform: Platform, findings: Findings): void {
  const routes = (spec.hosts ?? []).flatMap((host) => reach(host, metadata.namespace, platform).routes)
  if (!routes.length || routes.some(({ exposure }) => exposure === 'int')) return
  const matches =
    kind === 'RateLimit'
      ? located(spec.match, 'spec.match')
      : (spec.http ?? []).flatMap(({ match }, position) => located(match, `spec.http[${position}].match`))
  for (const { match, path } of matches) {
    for (const field of ['sourceLabels', 'sourceNamespace'] as const) {
      if (match[field] === undefined) continue
      findings.warn(
        `${path}.${field}`,
        `${spec.hosts?.join(', ')} is public, and callers are known by their certificate on the internal listener alone; it never holds`,
        codes.callersUnknown,
      )
    }
  }
}

const located = (matches: HttpMatch[] | undefined, path: string): { match: HttpMatch; path: string }[] =>
  (matches ?? []).map((match, position) => ({ match, path: `${path}[${position}]` }))
