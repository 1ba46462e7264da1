import { Type } from 'typebox'
import { analyse } from '../../../mesh/istio/analyse.ts'
import { appsOf } from '../../../mesh/istio/analyse-destinations.ts'
import { codes } from '../../../mesh/istio/finding.ts'
import { systemNamespace } from '../../../mesh/istio/kinds.ts'
import { normalizeHost } from '../../../mesh/host.ts'
import { candidates } from '../../../mesh/matching.ts'
import { normalizePath, splitTarget } from '../../../mesh/path.ts'
import type { Route } from '../../../mesh/records.ts'
import { externalHost } from '../../../mesh/rules/external.ts'
import { traceHost } from '../../../mesh/rules/trace-host.ts'
import type { Source } from '../../../mesh/rules/source.ts'
import { noRuleOf, parseHeaders, rulesOf, traceRules, type Trace as RuleTrace } from '../../../mesh/rules/trace.ts'
import type { Copilot } from '../../copilot.ts'
import { callerOf } from '../../people/caller.ts'
import { entryNamespace, ignoredSpaces, loadRules } from '../../resources/rules.ts'
import { loadWorld } from '../../resources/world.ts'
import type { Store } from '../../store/store.ts'
import { RouteView, showRoutes } from '../../views/route.ts'
import type { Api } from '../server.ts'

const Header = Type.String({ pattern: '^[^:\\s]+:', maxLength: 8192 })

const Query = Type.Object(
  {
    host: Type.String({ minLength: 1, description: 'The Host header' }),
    path: Type.String({ default: '/', pattern: '^/', description: 'The request target, with its query' }),
    method: Type.String({ default: 'GET', maxLength: 100 }),
    scheme: Type.Enum(['http', 'https'], { default: 'http' }),
    header: Type.Union([Header, Type.Array(Header, { maxItems: 100 })], { default: [], description: '`NAME: VALUE`; one or several' }),
    exposure: Type.Enum(['pub', 'int'], { default: 'pub', description: 'Which listener the request comes in by' }),
  },
  { additionalProperties: false },
)

const Trace = Type.Object({
  host: Type.String({ description: 'In normal form' }),
  path: Type.Optional(Type.String({ description: 'In normal form; absent where that is no path' })),
  exposure: Type.String(),
  candidates: Type.Array(Type.Object({ key: Type.String(), exists: Type.Boolean() }), {
    description: 'The routes that could answer, the most specific first; the first that exists does',
  }),
  route: Type.Optional(RouteView),
  rules: Type.Optional(
    Type.Array(
      Type.Object({
        rule: Type.String({ description: 'ORGANIZATION/SPACE/NAME http[POSITION]' }),
        resource: Type.String({ description: 'Key of the VirtualService' }),
        matched: Type.Boolean(),
        why: Type.String(),
      }),
      { description: 'The rules of the route that were looked at, in their order; where one matched, it is the last' },
    ),
  ),
  outcome: Type.Optional(
    Type.Object(
      {
        does: Type.String(),
        status: Type.Optional(Type.Integer()),
        targets: Type.Array(
          Type.Object({
            host: Type.String(),
            subset: Type.Optional(Type.String()),
            port: Type.Optional(Type.Integer()),
            share: Type.Number(),
          }),
        ),
      },
      { description: 'What the rule that matched does' },
    ),
  ),
  limits: Type.Optional(
    Type.Array(
      Type.Object({
        limit: Type.String({ description: 'ORGANIZATION/SPACE/NAME limits[POSITION]' }),
        resource: Type.String({ description: 'Key of the RateLimit' }),
        counts: Type.Boolean(),
        why: Type.String(),
      }),
      {
        description: 'The limits of RateLimits for the host, and whether each counts the request',
      },
    ),
  ),
  status: Type.Optional(Type.Integer({ description: 'What the router itself answers, where it does not ask the app' })),
  why: Type.String(),
})

/** Where a request goes, and why. */
export function trace(api: Api, { store, components }: Copilot): void {
  api.get(
    '/v1/trace',
    { config: { decides: true }, schema: { summary: 'Where a request goes and why', querystring: Query, response: { 200: Trace } } },
    async (request) => {
      const { query } = request
      const { exposure } = query
      const host = normalizeHost(query.host)
      const target = splitTarget(query.path)
      const path = normalizePath(target.path)
      if (path === undefined)
        return { host, exposure, candidates: [], status: 400, why: `${query.path} is no path, so the router refuses the request` }

      const keys = candidates(exposure, host, path)
      const existing = new Map((await store.list('route', { keys })).map((record) => [record.key, record]))
      const looked = { host, path, exposure, candidates: keys.map((key) => ({ key, exists: existing.has(key) })) }
      const winner = keys.find((key) => existing.has(key))
      const { method, scheme } = query
      const asked = {
        method,
        scheme,
        authority: query.host,
        path,
        query: target.query.replace(/^\?/, ''),
        headers: parseHeaders([query.header].flat()),
      }
      if (winner === undefined) {
        const namespace = exposure === 'int' ? await entryNamespace(store, host) : undefined
        if (namespace === undefined)
          return {
            ...looked,
            status: 404,
            why: `no route has this host, neither by itself nor by a wildcard${exposure === 'pub' ? ' (internal routes are not reachable from here)' : ''}`,
          }
        await callerOf(request).requireRead(namespace)
        const external = externalHost(await loadRules(store, { space: namespace }), host)!
        return {
          ...looked,
          ...ruled(traceRules(external.rules, asked), external.route, 'no route has this host, but a ServiceEntry names it'),
        }
      }

      const [route] = await showRoutes(store, [existing.get(winner)!], components.conflicts())
      await callerOf(request).requireRead(route!.space.guid)
      const why = `${winner} is the most specific route that exists${await leftOut(store, route!.space.guid)}`
      const record = existing.get(winner)!.value
      const source = await loadRules(store, record)
      const { limits, redirect } = traceHost(source, record, asked)
      const found = { ...looked, route, ...(limits.length ? { limits } : {}) }
      if (redirect !== undefined) return { ...found, status: 301, why: `${why}; ${redirect}` }
      const rules = rulesOf(source, record)
      if (rules) {
        const traced = traceRules(rules, asked)
        return { ...found, ...ruled(traced, record, why, await lostBy(traced, source, store)) }
      }
      if (route!.state === 'no-instances') return { ...found, status: 503, why: `${why}, and none of its instances is running` }
      return { ...found, why }
    },
  )
}

/** Whose rules are not looked at, as an operator has switched. */
async function leftOut(store: Store, space: string): Promise<string> {
  const ignored = await ignoredSpaces(store)
  const whose = [...(ignored.has(space) ? ['its space'] : []), ...(ignored.has(systemNamespace) ? [systemNamespace] : [])]
  return whose.length ? `; an operator has the rules of ${whose.join(' and of ')} ignored` : ''
}

/** What the rules of a route, or of a host outside, make of a request. */
function ruled(traced: RuleTrace, route: Route, why: string, lost?: string) {
  const { outcome } = traced
  if (!outcome) return { ...traced, status: 404, why: `${why}; ${noRuleOf(route)}` }
  const does = `${why}; ${traced.rules.at(-1)!.rule} ${outcome.does}`
  if (lost !== undefined) return { ...traced, status: 503, why: `${does}: ${lost}` }
  return { ...traced, ...(outcome.status === undefined ? {} : { status: outcome.status }), why: does }
}

/** Why a rule sends to nothing that is there; undefined where any destination that has a share is. */
async function lostBy({ rules, outcome }: RuleTrace, source: Source, store: Store): Promise<string | undefined> {
  const { rule, resource: key } = rules.at(-1) ?? { rule: '', resource: '' }
  const resource = outcome?.targets.length ? source.get('resource', key) : undefined
  const [, position] = /http\[(\d+)\]$/.exec(rule) ?? []
  if (!resource || position === undefined) return undefined
  const world = await loadWorld(store, [resource])
  const found = analyse(resource, world).filter(({ code }) => absent.includes(code))
  const faults = await Promise.all(
    outcome!.targets.map(async (target, at) => {
      const absence = found.find(({ path }) => path.startsWith(`spec.http[${position}].route[${at}].`))
      return absence ? absence.message : stoppedBy(store, target, appsOf(target, resource.metadata.namespace, world))
    }),
  )
  return outcome!.targets.some(({ share }, at) => share > 0 && faults[at] === undefined) ? undefined : faults.find((fault) => fault)
}

/** Why a destination's apps answer nobody; undefined where any of them runs, or it has none of its own. */
async function stoppedBy(store: Store, { host, subset }: { host: string; subset?: string }, apps?: string[]): Promise<string | undefined> {
  if (!apps) return undefined
  const processes = await store.list('process', { app: apps })
  if ((await store.list('instance', { process: processes.map(({ key }) => key) }, { limit: 1 })).length) return undefined
  return `no instance of ${host}${subset === undefined ? '' : ` (subset ${subset})`} is running`
}

const absent: string[] = [codes.serviceUnknown, codes.subsetUnknown, codes.subsetEmpty]
