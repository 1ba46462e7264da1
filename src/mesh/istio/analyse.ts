import { normalizeHost } from '../host.ts'
import type { Secret } from '../records.ts'
import { warnOfCallers } from './analyse-callers.ts'
import { analyseDestinationRule, warnOfClusterName, warnOfDestination, type DestinationLike } from './analyse-destinations.ts'
import { warnOfSecrets } from './analyse-secrets.ts'
import { byHost } from './by-host.ts'
import { codes, Findings, type Finding } from './finding.ts'
import { systemNamespace } from './kinds.ts'
import { operatorsEntry, reach, shapesOutside, whyUnreached } from './ownership.ts'
import type { Platform } from './platform.ts'
import { entriesMet } from './services.ts'
import type { DestinationRuleSpec, Metadata, RateLimit, Resource, ServiceEntry, VirtualService, VirtualServiceSpec } from './types.ts'
import { unreachableRules } from './unreachable.ts'

/** What a resource is seen against: the platform, and the other resources and secrets that it may refer to. */
export interface World extends Platform {
  resourcesOf(namespace: string): Iterable<Resource>
  secret(namespace: string, name: string): Secret | undefined
}

/** What of a resource leads nowhere, or meets another resource, as warnings: things can come into being in any order. */
export function analyse(resource: Resource, world: World): Finding[] {
  const findings = new Findings()
  if (resource.kind === 'VirtualService') analyseVirtualService(resource, world, findings)
  if (resource.kind === 'DestinationRule') analyseDestinationRule(resource, world, findings)
  if (resource.kind === 'ServiceEntry') warnOfEntries(resource, world, findings)
  if (resource.kind === 'RateLimit') warnOfHosts(resource.spec.hosts, resource, world, findings)
  if (resource.kind === 'RateLimit' || resource.kind === 'VirtualService') warnOfCallers(resource, world, findings)
  warnOfSecrets(resource, world, findings)
  return findings.list
}

/** Hosts of a resource that are routes of another space, which it must not shape. */
export function foreignHosts(
  { kind, metadata, spec }: Pick<Resource, 'kind' | 'spec'> & { metadata: Pick<Metadata, 'namespace'> },
  platform: Platform,
): { path: string; host: string; space: string }[] {
  if (metadata.namespace === systemNamespace) return []
  return hostsShaped(kind, spec).flatMap(({ path, host }) => {
    const { foreign } = reach(host, metadata.namespace, platform)
    return foreign === undefined ? [] : [{ path, host, space: foreign }]
  })
}

/** The hosts whose routes a resource shapes, with where they stand. A Gateway's are cut down to what its space owns. */
function hostsShaped(kind: Resource['kind'], spec: Resource['spec']): { path: string; host: string }[] {
  if (kind === 'DestinationRule') return [{ path: 'spec.host', host: (spec as DestinationRuleSpec).host }]
  if (kind !== 'VirtualService' && kind !== 'RateLimit') return []
  return ((spec as VirtualServiceSpec).hosts ?? []).map((host, position) => ({ path: `spec.hosts[${position}]`, host }))
}

function analyseVirtualService(resource: VirtualService, world: World, findings: Findings): void {
  const { spec, metadata } = resource
  for (const { path, name } of gatewaysNamed(spec)) {
    if (name !== 'mesh' && !gatewayNamed(name, metadata.namespace, world))
      findings.warn(path, `there is no Gateway ${name} here; until there is, nothing comes by it`, codes.gatewayUnknown)
  }
  for (const { path, destination } of destinationsOf(spec)) warnOfDestination(path, destination, metadata.namespace, world, findings)
  spec.http?.forEach(({ delegate }, position) => {
    const { name, namespace = metadata.namespace } = delegate ?? {}
    if (name && !find(world, 'VirtualService', namespace, name))
      findings.warn(
        `spec.http[${position}].delegate`,
        `there is no VirtualService ${namespace}/${name}; until there is, this rule does nothing`,
        codes.advice,
      )
  })
  warnOfHosts(spec.hosts ?? [], resource, world, findings)
  warnOfMerging(resource, world, findings)
}

/** Rules of several VirtualServices for one host stand one after the other: the operator's first, then the oldest. */
function warnOfMerging(resource: VirtualService, world: World, findings: Findings): void {
  const { hosts = [] } = resource.spec
  const own = new Map(hosts.map((host, position) => [normalizeHost(host), position]))
  for (const [host, position] of own) {
    const sharing = inSight(resource.metadata.namespace)
      .flatMap((namespace) => byHost('VirtualService', namespace, world).get(host) ?? [])
      .filter((one) => !same(one, resource) && shareGateway(one.spec, resource.spec))
    if (!sharing.length) continue
    const order = [...sharing, resource].toSorted(byPrecedence)
    const names = order.map((one) => (one === resource ? 'this one' : titleOf(one))).join(', then ')
    findings.warn(
      `spec.hosts[${position}]`,
      `other resources have rules for ${host} too; they are merged in this order: ${names}`,
      codes.merged,
    )
    const before = order.slice(0, order.indexOf(resource))
    warnOfShadows(before, resource, findings)
  }
}

/** Which of a resource's rules no request reaches, because those of earlier resources take them. */
function warnOfShadows(before: VirtualService[], resource: VirtualService, findings: Findings): void {
  const earlier = before.flatMap((one) =>
    (one.spec.http ?? []).map((rule, position) => ({ ...rule, name: `${titleOf(one)} http[${position}]` })),
  )
  if (!earlier.length) return
  const offset = earlier.length
  const merged = new Findings()
  unreachableRules({ http: [...earlier, ...(resource.spec.http ?? [])] }, merged)
  for (const { path, message, code } of merged.list) {
    const [, index, rest] = /^spec\.http\[(\d+)\](.*)$/s.exec(path) ?? []
    const position = Number(index) - offset
    const told = message.replaceAll(/spec\.http\[(\d+)\] \(([^)]*)\)/g, (whole, at: string, name: string) =>
      Number(at) < offset ? name : whole,
    )
    // What the resource's own rules take from each other was said when it was checked.
    if (position >= 0 && told !== message) findings.warn(`spec.http[${position}]${rest}`, told, code as typeof codes.shadowed)
  }
}

/** Entries that apps meet in place of this one, when they call its hosts. */
function warnOfEntries(resource: ServiceEntry, world: World, findings: Findings): void {
  const { namespace } = resource.metadata
  resource.spec.hosts.forEach((host, position) => {
    const met = entriesMet(normalizeHost(host), world).find(({ metadata }) => [namespace, systemNamespace].includes(metadata.namespace))
    if (!met || same(met, resource)) return
    const own = met.metadata.namespace === namespace
    const whose = own ? `${met.metadata.name}, which is older,` : "the operator's ServiceEntry"
    const then = own ? 'it holds in place of this one' : 'apps that call it meet that one; this one is meant by rules of this space alone'
    findings.warn(`spec.hosts[${position}]`, `${whose} names ${host}, too: ${then}`, codes.merged)
  })
}

function warnOfHosts(hosts: string[], resource: VirtualService | RateLimit, world: World, findings: Findings): void {
  const { namespace } = resource.metadata
  hosts.forEach((host, position) => {
    const path = `spec.hosts[${position}]`
    warnOfClusterName(path, host, findings)
    const { routes, foreign } = reach(host, namespace, world)
    if (routes.length || foreign !== undefined || host === '*') return
    const outside = shapesOutside(host, namespace, world)
    if (outside) return
    if (outside === false) return findings.warn(path, `${operatorsEntry(host)}; this one does nothing`, codes.notOwned)
    const whose = namespace === systemNamespace ? 'any space' : 'this space'
    const why = whyUnreached(host, namespace, world) ?? `no route of ${whose} is ${host} yet`
    findings.warn(path, `${why}; the rules wait for it`, codes.hostUnknown)
  })
}

/** The namespaces whose rules meet those of a namespace. */
const inSight = (namespace: string): string[] => [...new Set([namespace, systemNamespace])]

function find(world: World, kind: Resource['kind'], namespace: string, name: string): Resource | undefined {
  return [...world.resourcesOf(namespace)].find((one) => one.kind === kind && one.metadata.name === name)
}

function gatewayNamed(written: string, namespace: string, world: World): Resource | undefined {
  const [first = '', second] = written.includes('/') ? written.split(/\/(.*)/s) : [namespace, written.split('.')[0]]
  return find(world, 'Gateway', first, second ?? '')
}

function* gatewaysNamed({ gateways = [], http = [], tls = [], tcp = [] }: VirtualServiceSpec): Generator<{ path: string; name: string }> {
  for (const [position, name] of gateways.entries()) yield { path: `spec.gateways[${position}]`, name }
  for (const [list, rules] of [
    ['http', http],
    ['tls', tls],
    ['tcp', tcp],
  ] as const) {
    for (const [index, { match = [] }] of rules.entries()) {
      for (const [at, one] of match.entries())
        for (const [position, name] of (one.gateways ?? []).entries())
          yield { path: `spec.${list}[${index}].match[${at}].gateways[${position}]`, name }
    }
  }
}

function* destinationsOf({ http = [], tls = [], tcp = [] }: VirtualServiceSpec): Generator<{ path: string; destination: DestinationLike }> {
  for (const [list, rules] of [
    ['http', http],
    ['tls', tls],
    ['tcp', tcp],
  ] as const) {
    for (const [index, rule] of rules.entries()) {
      for (const [position, { destination }] of (rule.route ?? []).entries())
        yield { path: `spec.${list}[${index}].route[${position}].destination`, destination }
    }
  }
  for (const [index, { mirror, mirrors = [] }] of http.entries()) {
    if (mirror) yield { path: `spec.http[${index}].mirror`, destination: mirror }
    for (const [position, { destination }] of mirrors.entries())
      if (destination) yield { path: `spec.http[${index}].mirrors[${position}].destination`, destination }
  }
}

const same = (a: Resource, b: Resource): boolean =>
  a.kind === b.kind && a.metadata.name === b.metadata.name && a.metadata.namespace === b.metadata.namespace

const shareGateway = (a: VirtualServiceSpec, b: VirtualServiceSpec): boolean => {
  const of = ({ gateways }: VirtualServiceSpec): string[] => (gateways?.length ? gateways : ['mesh'])
  return of(a).some((gateway) => of(b).includes(gateway))
}

const titleOf = ({ metadata }: Resource): string =>
  metadata.namespace === systemNamespace ? `${systemNamespace}/${metadata.name}` : metadata.name

/** The operator's first, then the oldest; one that is not kept yet is the youngest. */
function byPrecedence(a: Resource, b: Resource): number {
  const rank = ({ metadata }: Resource): string =>
    `${metadata.namespace === systemNamespace ? 0 : 1} ${metadata.createdAt || '9999'} ${metadata.namespace}/${metadata.name}`
  return rank(a) < rank(b) ? -1 : 1
}
