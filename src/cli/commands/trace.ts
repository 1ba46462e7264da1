import { examples, present, type Register } from '../cli.ts'
import type { Output } from '../output.ts'
import { Usage } from '../problems.ts'
import type { Trace } from '../types.ts'
import { describeRoute } from './route-details.ts'

interface Options {
  request: string
  header: string[]
  internal?: boolean
  from?: string
}

/** `trace HOST[/PATH]`. */
export const trace: Register = (program, cli) => {
  const command = program
    .command('trace')
    .argument('<target>', 'host[/path], or a whole URL')
    .summary('where a request goes, and why')
    .option(
      '-H, --header <name: value>',
      'a header of the request; Host stands in for that of the target',
      (header: string, all: string[]) => [...all, header],
      [],
    )
    .option('-X, --request <method>', 'its method', 'GET')
    .option('--internal', 'as the internal listener sees it')
    .option(
      '--from <space>',
      'asked by an app of that space (name or guid, or ORGANIZATION/SPACE) with its certificate; implies --internal',
    )
    .action(async (target: string, { request: method, header, internal, from }: Options) => {
      const request = { ...parseTarget(target, header), method, from }
      await present(command, cli, {
        read: (api) => api.get<Trace>('/v1/trace', { ...request, exposure: internal || from !== undefined ? 'int' : 'pub' }),
        show: showTrace,
        exitCode: ({ status }) => (status === undefined ? 0 : 1),
      })
    })
  examples(command, [
    ['trace hello.mesh.apps.localhost', 'the route that answers, and its instances'],
    ['trace http://hello.mesh.apps.localhost:8080/a/b', 'a URL, as curl has it'],
    ['trace 127.0.0.1/a -H "Host: hello.mesh.apps.localhost"', 'a request with its own Host header'],
    ['trace hello.mesh.apps.localhost -H "User-Agent: Chrome"', 'which rule is for it, and why those before are not'],
    ['trace db.apps.mesh.internal --internal', 'an app-to-app request'],
    ['trace api.example.com --from shop', 'a host outside, asked by an app of the space shop'],
  ])
}

/** Throws `MESHCTL_USAGE`. */
function parseTarget(target: string, headers: string[]): { host: string; path: string; scheme: string; header: string[] } {
  const [, authority, path] = /^(?:https?:\/\/)?([^/?#]+)([^#]*)/.exec(target) ?? []
  if (!authority) throw Usage(`${target} names no host; write HOST or HOST/PATH`)
  const given = headers.map((header) => /^([^:\s]+):\s*(.*)$/.exec(header) ?? refuse(header))
  const host = given.findLast(([, name]) => name!.toLowerCase() === 'host')?.[2]
  const others = given.filter(([, name]) => name!.toLowerCase() !== 'host').map(([line]) => line)
  return {
    host: host || authority,
    path: path?.startsWith('/') ? path : `/${path ?? ''}`,
    scheme: target.startsWith('https://') ? 'https' : 'http',
    header: others,
  }
}

function refuse(header: string): never {
  throw Usage(`-H ${JSON.stringify(header)} is no header; write -H "Name: value"`)
}

function showTrace({ host, path, exposure, candidates, route, rules = [], limits = [], status, why }: Trace, out: Output): string {
  const answer = candidates.findIndex(({ exists }) => exists)
  const looked = candidates.slice(0, answer < 0 ? undefined : answer + 1)
  const lines = [
    `${host}${path ?? ''} by the ${exposure === 'int' ? 'internal listener' : 'public listeners'}`,
    ...looked.map(({ key, exists }) => `  ${exists ? out.style('green', '✓') : out.style('dim', '–')} ${key.slice(key.indexOf('/') + 1)}`),
    ...(limits.length ? [''] : []),
    ...limits.map(({ limit, counts, why }) => `  ${counts ? out.style('yellow', '≤') : out.style('dim', '–')} ${limit}: ${why}`),
    ...(rules.length ? [''] : []),
    ...rules.map(({ rule, matched, why }) => `  ${matched ? out.style('green', '✓') : out.style('dim', '–')} ${rule}: ${why}`),
    '',
    status === undefined ? `${route ? 'goes to the app' : 'goes out'}: ${why}` : out.style('red', `${status}: ${why}`),
  ]
  if (route) lines.push('', describeRoute(route, out))
  return lines.join('\n')
}
