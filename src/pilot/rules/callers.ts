import type { HttpMatch } from '../../mesh/istio/types.ts'
import type { Exposure } from '../../mesh/records.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { name } from '../../mesh/rules/names.ts'

/** Who a match is for, by the certificates that callers show on the internal listener; what is absent can be anybody's. */
export interface Callers {
  /** Guids of the apps. */
  apps?: string[]
  /** Guids of the spaces. */
  spaces?: string[]
}

/**
 * The apps that have all of `sourceLabels`, and the spaces called `sourceNamespace`: that of the guid, else of those that have the name,
 * the ones in the resource's own organization first.
 */
export function callersOf(
  view: Source,
  { sourceLabels, sourceNamespace }: Pick<HttpMatch, 'sourceLabels' | 'sourceNamespace'>,
  namespace: string,
  exposure: Exposure,
): Callers | undefined {
  const labels = Object.entries(sourceLabels ?? {})
  if (!labels.length && sourceNamespace === undefined) return undefined
  // Outside of the internal listener certificates are somebody else's word.
  if (exposure === 'pub') return { apps: [] }
  return {
    ...(labels.length ? { apps: appsWith(view, labels) } : {}),
    ...(sourceNamespace === undefined ? {} : { spaces: spacesOf(view, sourceNamespace, namespace) }),
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
