import { normalizeHost } from '../host.ts'
import type { Secret } from '../records.ts'
import { warnOfCallers } from './analyse-callers.ts'
import { codes, Findings, within, type Finding } from './finding.ts'
import { systemNamespace } from './kinds.ts'
import { reach } from './ownership.ts'
import type { Platform } from './platform.ts'
import { isClusterName, resolveService, selects, type Service } from './services.ts'
import type { DestinationRule, Gateway, Metadata, RateLimit, Resource, VirtualService, VirtualServiceSpec } from './types.ts'
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
  if (resource.kind === 'Gateway') analyseGateway(resource, world, findings)
  if (resource.kind === 'RateLimit') warnOfHosts(resource.spec.hosts, resource, world, findings)
  if (resource.kind === 'RateLimit' || resource.kind === 'VirtualService') warnOfCallers(resource, world, findings)
  return findings.list
}

/** Hosts of a resource that are routes of another space, which it must not shape. */
export function foreignHosts(
  { kind, metadata, spec }: Pick<Resource, 'kind' | 'spec'> & { metadata: Pick<Metadata, 'namespace'> },
  platform: Platform,
): { path: string; host: string; space: string }[] {
  if (metadata.namespace === systemNamespace || (kind !== 'VirtualService' && kind !== 'RateLimit')) return []
  return ((spec as VirtualServiceSpec).hosts ?? []).flatMap((host, position) => {
    const { foreign } = reach(host, metadata.namespace, platform)
    return foreign === undefined ? [] : [{ path: `spec.hosts[${position}]`, host, space: foreign }]
  })
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
  const others = [...inSight(world, resource.metadata.namespace)].filter(
    (one): one is VirtualService => one.kind === 'VirtualService' && !same(one, resource),
  )
  for (const [host, position] of own) {
    const sharing = others.filter(
      ({ spec }) => spec.hosts?.some((other) => normalizeHost(other) === host) && shareGateway(spec, resource.spec),
    )
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

function analyseDestinationRule(resource: DestinationRule, world: World, findings: Findings): void {
  const { metadata, spec } = resource
  warnOfClusterName('spec.host', spec.host, findings)
  const service = resolveService(spec.host, metadata.namespace, world)
  if (!service)
    return findings.warn(
      'spec.host',
      `${spec.host} is neither a route, nor an app here, nor a ServiceEntry; until it is, the rule does nothing`,
      codes.serviceUnknown,
    )
  for (const other of rulesFor(service, metadata.namespace, world)) {
    if (same(other, resource)) continue
    findings.warn(
      'spec.host',
      `${titleOf(other)} is for ${spec.host} too; they are merged: subsets of both hold, and of two policies that of the older`,
      codes.merged,
    )
  }
  spec.subsets?.forEach(({ name, labels = {} }, position) => {
    const candidates = labelsOf(service, world)
    if (candidates.some((one) => selects(labels, { labels: one }))) return
    const wanted = Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(', ')
    findings.warn(
      `spec.subsets[${position}].labels`,
      `no app of ${spec.host} has ${wanted}, so ${name} selects nothing${knownValues(labels, candidates)}`,
      codes.subsetEmpty,
    )
  })
}

/** The labels of whatever a service consists of. */
function labelsOf(service: Service, world: World): Record<string, string>[] {
  if (service.kind === 'apps') return service.apps.map(({ app }) => app.labels)
  if (service.kind === 'external') return (service.entry.spec.endpoints ?? []).map(({ labels = {} }) => labels)
  const apps = new Set(service.routes.flatMap(({ destinations }) => destinations.map(({ app }) => app)))
  return [...apps].map((guid) => world.app(guid)?.labels ?? {})
}

function knownValues(labels: Record<string, string>, candidates: Record<string, string>[]): string {
  const known = Object.keys(labels).flatMap((key) => [
    ...new Set(candidates.flatMap((one) => (one[key] === undefined ? [] : [`${key}=${one[key]}`]))),
  ])
  return known.length ? `; there are ${known.join(', ')}` : '; set one with `cf set-label app NAME LABEL=VALUE`'
}

function analyseGateway({ metadata, spec }: Gateway, world: World, findings: Findings): void {
  spec.servers?.forEach(({ tls }, position) => {
    const named = [
      ...(tls?.credentialName ? [['credentialName', tls.credentialName]] : []),
      ...(tls?.caCertCredentialName ? [['caCertCredentialName', tls.caCertCredentialName]] : []),
    ] as [string, string][]
    tls?.credentialNames?.forEach((name, index) => named.push([`credentialNames[${index}]`, name]))
    for (const [field, name] of named) {
      const path = `spec.servers[${position}].tls.${field}`
      const secret = world.secret(metadata.namespace, name)
      if (!secret)
        findings.warn(
          path,
          `there is no secret ${name} here; set it with \`meshctl secret set ${name} --cert FILE --key FILE\``,
          codes.secretUnknown,
        )
      else if (secret.expires && Date.parse(secret.expires) < Date.now())
        findings.warn(path, `the secret ${name} expired on ${secret.expires}; set a new one`, codes.secretUnknown)
    }
  })
}

function warnOfHosts(hosts: string[], resource: VirtualService | RateLimit, world: World, findings: Findings): void {
  hosts.forEach((host, position) => {
    warnOfClusterName(`spec.hosts[${position}]`, host, findings)
    const { routes, foreign } = reach(host, resource.metadata.namespace, world)
    if (
      routes.length ||
      foreign !== undefined ||
      host === '*' ||
      resolveService(host, resource.metadata.namespace, world)?.kind === 'external'
    )
      return
    findings.warn(
      `spec.hosts[${position}]`,
      `no route of ${resource.metadata.namespace === systemNamespace ? 'any space' : 'this space'} is ${host} yet; the rules wait for it`,
      codes.hostUnknown,
    )
  })
}

interface DestinationLike {
  host?: string
  subset?: string
}

function warnOfClusterName(path: string, host: string, findings: Findings): void {
  if (isClusterName(host))
    findings.warn(
      path,
      `${host} is read as ${host.replace(/\.svc(\.cluster\.local)?\.?$/i, '')}: the app and its space; write it so`,
      codes.advice,
    )
}

function warnOfDestination(
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
  const known = [...rulesFor(service, namespace, world)].flatMap(({ spec }) => (spec.subsets ?? []).map(({ name }) => name))
  if (known.includes(subset)) return
  findings.warn(
    within(path, 'subset'),
    `no DestinationRule gives ${host} a subset ${JSON.stringify(subset)}; ${known.length ? `it has ${known.join(', ')}` : 'it has none'}. Until one does, requests are answered 503`,
    codes.subsetUnknown,
  )
}

/** The DestinationRules for a service that hold for a namespace. */
function* rulesFor(service: Service, namespace: string, world: World): Generator<DestinationRule> {
  for (const resource of inSight(world, namespace)) {
    if (resource.kind !== 'DestinationRule') continue
    const meant = resolveService(resource.spec.host, resource.metadata.namespace, world)
    if (meant && identity(meant) === identity(service)) yield resource
  }
}

const identity = (service: Service): string =>
  service.kind === 'apps' ? `apps ${service.space}/${service.name}` : `${service.kind} ${service.host}`

/** The resources of a namespace, and the operator's. */
function* inSight(world: World, namespace: string): Generator<Resource> {
  yield* world.resourcesOf(namespace)
  if (namespace !== systemNamespace) yield* world.resourcesOf(systemNamespace)
}

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
