import { Type } from 'typebox'
import { systemNamespace } from '../../../mesh/istio/kinds.ts'
import { normalizeHost } from '../../../mesh/host.ts'
import { candidates } from '../../../mesh/matching.ts'
import { normalizePath, splitTarget } from '../../../mesh/path.ts'
import type { Route } from '../../../mesh/records.ts'
import { traceHost } from '../../../mesh/rules/trace-host.ts'
import { noRuleOf, parseHeaders, rulesOf, traceRules, type Trace as RuleTrace } from '../../../mesh/rules/trace.ts'
import type { Copilot } from '../../copilot.ts'
import { callerOf } from '../../people/caller.ts'
import { resolveNamespace } from '../../people/namespaces.ts'
import { entryNamespace, externalFor, ignoredSpaces, loadRules } from '../../resources/rules.ts'
import { lostBy, type Lost } from '../../resources/lost.ts'
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
    from: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'The space of the app that asks by the internal listener with its certificate: name or guid, or `ORGANIZATION/SPACE`; absent: a caller that shows none',
      }),
    ),
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
      const { method, scheme, from } = query
      const space = from === undefined ? undefined : await resolveNamespace(store, from, callerOf(request))
      if (space !== undefined) await callerOf(request).requireRead(space)
      const asked = {
        method,
        scheme,
        authority: query.host,
        path,
        query: target.query.replace(/^\?/, ''),
        headers: parseHeaders([query.header].flat()),
        space,
      }
      if (winner === undefined) {
        const namespace = exposure === 'int' ? await entryNamespace(store, host, space) : undefined
        if (namespace === undefined)
          return {
            ...looked,
            status: 404,
            why: `no route has this host, neither by itself nor by a wildcard${exposure === 'pub' ? ' (internal routes are not reachable from here)' : unnamed(from)}`,
          }
        await callerOf(request).requireRead(namespace)
        const source = await loadRules(store, { space: namespace })
        const external = externalFor(source, host, space)!
        const { limits } = traceHost(source, external.route, asked)
        const traced = traceRules(external.rules, asked)
        return {
          ...looked,
          ...(limits.length ? { limits } : {}),
          ...ruled(traced, external.route, 'no route has this host, but a ServiceEntry names it'),
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

const unnamed = (from: string | undefined): string =>
  from === undefined ? '' : `, and neither the operator nor the space ${from} names it in a ServiceEntry`

/** Whose rules are not looked at, as an operator has switched. */
async function leftOut(store: Store, space: string): Promise<string> {
  const ignored = await ignoredSpaces(store)
  const whose = [...(ignored.has(space) ? ['its space'] : []), ...(ignored.has(systemNamespace) ? [systemNamespace] : [])]
  return whose.length ? `; an operator has the rules of ${whose.join(' and of ')} ignored` : ''
}

/** What the rules of a route, or of a host outside, make of a request. */
function ruled(traced: RuleTrace, route: Route, why: string, lost?: Lost) {
  const { outcome } = traced
  if (!outcome) return { ...traced, status: 404, why: `${why}; ${noRuleOf(route)}` }
  const does = `${why}; ${traced.rules.at(-1)!.rule} ${outcome.does}`
  if (lost && lost.share >= 1) return { ...traced, status: 503, why: `${does}: ${lost.why}` }
  if (lost) return { ...traced, why: `${does}; ${Math.round(lost.share * 1000) / 10} % of it is answered 503: ${lost.why}` }
  return { ...traced, ...(outcome.status === undefined ? {} : { status: outcome.status }), why: does }
}
