import { normalizeHost } from '../host.ts'
import type { App } from '../records.ts'
import type { World } from './analyse.ts'
import { byHost } from './by-host.ts'
import { destinationRulesFor, ruledBy, ruledThrough, type Ruled } from './destination-rules.ts'
import { codes, listed, within, type Findings } from './finding.ts'
import { systemNamespace } from './kinds.ts'
import { operatorsEntry, reach } from './ownership.ts'
import { isClusterName, resolveService, selects, type Service } from './services.ts'
import type { DestinationRule, Resource, Subset } from './types.ts'

export interface DestinationLike {
  host?: string
  subset?: string
}

/** Warns of a destination of a rule of `namespace` that leads nowhere. */
export function warnOfDestination(
  path: string,
  { host = '', subset }: DestinationLike,
  namespace: string,
  world: World,
  findings: Findings,
): void {
  warnOfClusterName(within(path, 'host'), host, findings)
  const service = resolveService(host, namespace, world)
  if (!service)
    return findings.warn(
      within(path, 'host'),
      `${host} is neither a route, nor an app here, nor a ServiceEntry; until it is, requests are answered 503`,
      codes.serviceUnknown,
    )
  if (subset === undefined) return
  const subsets = subsetsOf(service, world)
  const known = [...new Set(subsets.map(({ name }) => name))]
  const meant = subsets.find(({ name }) => name === subset)
  if (!meant)
    return findings.warn(
      within(path, 'subset'),
      `no DestinationRule gives ${host} a subset ${JSON.stringify(subset)}; ${known.length ? `it has ${known.join(', ')}` : 'it has none'}. Until one does, requests are answered 503`,
      codes.subsetUnknown,
    )
  const why = emptiness(meant, host, service, world)
  if (why !== undefined) findings.warn(within(path, 'subset'), `${why}. Until one has, requests are answered 503`, codes.subsetEmpty)
}

/** Guids of the apps that a destination of a rule of `namespace` means; undefined where it is outside, or nothing. */
export function appsOf({ host = '', subset }: DestinationLike, namespace: string, world: World): string[] | undefined {
  const service = resolveService(host, namespace, world)
  if (!service || service.kind === 'external') return undefined
  const { labels } = subsetsOf(service, world).find(({ name }) => name === subset) ?? {}
  return membersOf(service, world).flatMap(({ guid, app }) => (selects(labels, app) ? [guid] : []))
}

/** Warns of what of a DestinationRule has no effect, and of others for the same service. */
export function analyseDestinationRule({ metadata, spec }: DestinationRule, world: World, findings: Findings): void {
  const { host } = spec
  if (host.startsWith('*')) return warnOfPattern(host, metadata.namespace, world, findings)
  warnOfClusterName('spec.host', host, findings)
  const service = resolveService(host, metadata.namespace, world)
  if (!service)
    return findings.warn(
      'spec.host',
      `${host} is neither a route, nor an app here, nor a ServiceEntry; until it is, the rule does nothing`,
      codes.serviceUnknown,
    )
  warnOfOthers(metadata, host, service, world, findings)
  spec.subsets?.forEach((subset, position) => {
    const why = emptiness(subset, host, service, world)
    if (why !== undefined) findings.warn(`spec.subsets[${position}].labels`, why, codes.subsetEmpty)
  })
}

export function warnOfClusterName(path: string, host: string, findings: Findings): void {
  if (isClusterName(host))
    findings.warn(
      path,
      `${host} is read as ${host.replace(/\.svc(\.cluster\.local)?\.?$/i, '')}: the app and its space; write it so`,
      codes.advice,
    )
}

function warnOfPattern(host: string, namespace: string, world: World, findings: Findings): void {
  const entries = [...world.resourcesOf(namespace)].filter((one) => one.kind === 'ServiceEntry')
  const beneath = (name: string): boolean => normalizeHost(name).endsWith(normalizeHost(host).slice(1))
  if (host === '*' || reach(host, namespace, world).routes.length || entries.some(({ spec }) => spec.hosts.some(beneath))) return
  findings.warn(
    'spec.host',
    `neither a route nor a ServiceEntry here is ${host}; until one is, the rule does nothing`,
    codes.serviceUnknown,
  )
}

/** Other rules for the service: they are merged with this one, or hold in its place. */
function warnOfOthers({ name, namespace }: Resource['metadata'], host: string, service: Service, world: World, findings: Findings): void {
  const isThis = ({ metadata }: DestinationRule): boolean => metadata.name === name && metadata.namespace === namespace
  const titleOf = ({ metadata }: DestinationRule): string =>
    metadata.namespace === namespace ? metadata.name : `${metadata.namespace}/${metadata.name}`
  const inForce = ruledThrough(service, world).map((ruled) => rulesInForce(ruled, world))
  const merged = inForce.filter((rules) => rules.some(isThis))
  const others = [...new Set(merged.flat())].filter((one) => !isThis(one)).map(titleOf)
  if (others.length)
    findings.warn(
      'spec.host',
      `${listed(others)} ${others.length === 1 ? 'is' : 'are'} for ${host} too; they are merged: subsets of all hold, and the oldest policy`,
      codes.merged,
    )
  if (merged.length) return
  const instead = [...new Set(inForce.flat())].map(titleOf)
  if (namespace === systemNamespace && instead.length)
    findings.warn(
      'spec.host',
      `${listed(instead)} ${instead.length === 1 ? 'holds' : 'hold'} for ${host} in its place: a space's own come before the operator's`,
      codes.merged,
    )
  // A route of another space is refused, or said to have moved.
  if (namespace !== systemNamespace && service.kind === 'external')
    findings.warn('spec.host', `${operatorsEntry(host)}; this one does nothing`, codes.notOwned)
}

/** Why a subset has nobody to send to; undefined where it has somebody. */
function emptiness({ name, labels = {} }: Subset, host: string, service: Service, world: World): string | undefined {
  const candidates = labelsOf(service, world)
  if (candidates.some((one) => selects(labels, { labels: one }))) return undefined
  if (!Object.keys(labels).length) return `${host} has no app, so ${name} selects nothing`
  const wanted = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ')
  return `no app of ${host} has ${wanted}, so ${name} selects nothing${knownValues(labels, candidates)}`
}

/** The labels of whatever a service consists of. */
function labelsOf(service: Service, world: World): Record<string, string>[] {
  if (service.kind === 'external') return (service.entry.spec.endpoints ?? []).map(({ labels = {} }) => labels)
  return membersOf(service, world).map(({ app }) => app.labels)
}

function membersOf(service: Exclude<Service, { kind: 'external' }>, world: World): { guid: string; app: Pick<App, 'labels'> }[] {
  if (service.kind === 'apps') return service.apps
  const guids = new Set(service.routes.flatMap(({ destinations }) => destinations.map(({ app }) => app)))
  return [...guids].map((guid) => ({ guid, app: world.app(guid) ?? { labels: {} } }))
}

const subsetsOf = (service: Service, world: World): Subset[] =>
  ruledBy(service, world).flatMap((ruled) => rulesInForce(ruled, world).flatMap(({ spec }) => spec.subsets ?? []))

function knownValues(labels: Record<string, string>, candidates: Record<string, string>[]): string {
  const known = Object.keys(labels).flatMap((key) => [
    ...new Set(candidates.flatMap((one) => (one[key] === undefined ? [] : [`${key}=${one[key]}`]))),
  ])
  return known.length ? `; there are ${known.join(', ')}` : '; set one with `cf set-label app NAME LABEL=VALUE`'
}

/** The DestinationRules that hold for a service. */
const rulesInForce = (ruled: Ruled, world: World): DestinationRule[] =>
  destinationRulesFor(ruled, (host, namespace) => byHost('DestinationRule', namespace, world).get(host) ?? [])
