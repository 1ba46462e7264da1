import { examples, present, watchOption, type Register } from '../cli.ts'
import type { Output } from '../output.ts'
import type { Route } from '../types.ts'
import { count, nameOf, ownerOf } from '../words.ts'
import { describeRoute } from './route-details.ts'
import { scoped, scopeQuery, type ScopeOptions } from './scope.ts'

interface Options extends ScopeOptions {
  domain?: string
}

/** `routes` and `routes HOST`. */
export const routes: Register = (program, cli) => {
  const command = scoped(program.command('routes').argument('[host]', 'a host, or host/path: every route there, in detail'))
    .summary('routes, whom they send to and how they are')
    .option('--domain <domain>', 'only hosts that are, or end with, this domain')
    .option(...watchOption)
    .action(async (host: string | undefined, options: Options) =>
      present(command, cli, {
        read: (api) =>
          api
            .list<Route>('/v1/routes', { ...scopeQuery(options), domain: options.domain, host: host?.split('/')[0] })
            .then((found) => found.filter(under(host))),
        show: (found, out) => (host === undefined ? showTable(found, out) : showDetails(host, found, out)),
        exitCode: (found) => (host !== undefined && !found.length ? 1 : 0),
      }),
    )
  examples(command, [
    ['routes', 'all routes'],
    ['routes hello.mesh.apps.localhost', 'one host in detail, with its instances'],
    ['routes --space dev --watch', 'the routes of a space, again whenever they change'],
    ['routes --domain mesh.example.com --json', 'for programs'],
  ])
}

/** Those at or below the path, where one is given. */
function under(name: string | undefined): (route: Route) => boolean {
  const slash = name?.indexOf('/') ?? -1
  const path = slash < 0 ? '' : name!.slice(slash).replace(/\/+$/, '')
  return (route) => !path || route.path === path || route.path.startsWith(`${path}/`)
}

function showTable(routes: Route[], out: Output): string {
  if (!routes.length) return 'no routes'
  return out.table(
    [
      { title: 'ROUTE', value: ({ host, path }) => `${host}${path}` },
      { title: 'STATE', value: (route) => stateOf(route, out) },
      { title: 'INSTANCES', value: (route) => instancesOf(route), right: true },
      { title: 'APPS', value: ({ destinations }) => [...new Set(destinations.map(({ app }) => nameOf(app)))].join(', ') },
      { title: 'OWNER', value: ownerOf },
      { title: 'NOTES', value: remarksOf },
    ],
    routes,
  )
}

export function stateOf({ state }: Route, out: Output): string {
  return state === 'serving' ? out.style('green', 'serving') : out.style('red', '503')
}

function instancesOf({ destinations }: Route): string {
  const running = destinations.reduce((sum, { instances }) => sum + instances.length, 0)
  return `${running}/${destinations.reduce((sum, { wanted }) => sum + wanted, 0)}`
}

function remarksOf({ exposure, mirrors, notes, conflicts }: Route): string {
  return [
    exposure === 'int' && 'internal',
    mirrors && `mirrors ${mirrors}`,
    notes.length && count(notes.length, 'note'),
    conflicts.length && count(conflicts.length, 'conflict'),
  ]
    .filter(Boolean)
    .join(', ')
}

function showDetails(host: string, routes: Route[], out: Output): string {
  if (!routes.length) return `no route answers ${host}; the router says 404. \`meshctl trace ${host}\` shows what was looked for`
  return routes.map((route) => describeRoute(route, out)).join('\n\n')
}
