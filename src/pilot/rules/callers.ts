import type { HttpMatch } from '../../mesh/istio/types.ts'
import type { Exposure } from '../../mesh/records.ts'
import type { Audience } from '../../mesh/rules/audience.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { name } from '../../mesh/rules/names.ts'

/** Who a match is for, by the certificates that callers show on the internal listener; what is absent can be anybody's. */
export interface Callers {
  /** Guids of the apps. */
  apps?: string[]
  /** Guids of the spaces. */
  spaces?: string[]
  /** Those without a certificate, too. */
  unknown?: true
}

/**
 * The apps that have all of `sourceLabels`, and the spaces called `sourceNamespace`: that of the guid, else of those that have the name,
 * the ones in the resource's own organization first. Of an audience's callers, only those.
 */
export function callersOf(
  view: Source,
  { sourceLabels, sourceNamespace }: Pick<HttpMatch, 'sourceLabels' | 'sourceNamespace'>,
  namespace: string,
  exposure: Exposure,
  audience?: Audience,
): Callers | undefined {
  const labels = Object.entries(sourceLabels ?? {})
  const asksWho = labels.length > 0 || sourceNamespace !== undefined
  if (!asksWho && !audience) return undefined
  // Outside of the internal listener certificates are somebody else's word.
  if (exposure === 'pub') return { apps: [] }
  const spaces = sourceNamespace === undefined ? undefined : spacesOf(view, sourceNamespace, namespace)
  return {
    ...(labels.length ? { apps: appsWith(view, labels) } : {}),
    ...(audience ? { spaces: [audience.space].filter((space) => spaces?.includes(space) ?? true) } : spaces && { spaces }),
    ...(audience?.unknown && !asksWho ? { unknown: true } : {}),
  }
}

function appsWith(view: Source, labels: [string, string][]): string[] {
  const [first, ...others] = labels.map(([label, value]) => new Set(view.keysOf(name.label(label, value))))
  return [...first!].filter((app) => others.every((apps) => apps.has(app))).sort()
}

function spacesOf(view: Source, written: string, namespace: string): string[] {
  if (view.get('space', written)) return [written]
  const named = [...view.keysOf(name.spaces(written.toLowerCase()))].sort()
  const home = view.get('space', namespace)?.organization
  const own = named.filter((guid) => view.get('space', guid)?.organization === home)
  return own.length ? own : named
}
