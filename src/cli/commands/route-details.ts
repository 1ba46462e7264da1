import type { Output } from '../output.ts'
import type { Destination, Route } from '../types.ts'
import { labelsOf, nameOf, ownerOf, percent } from '../words.ts'

/** All that is known of one route, on several lines. */
export function describeRoute(route: Route, out: Output): string {
  const { host, path, exposure, guid, mirrors, labels, options, state, destinations, notes, conflicts } = route
  const state503 = 'no running instance: the router answers 503'
  const lines: [string, string | undefined | false][] = [
    ['owner', ownerOf(route)],
    ['state', state === 'serving' ? out.style('green', 'serving') : out.style('red', state503)],
    ['reached', exposure === 'int' && 'by the internal listener only'],
    ['mirrors', mirrors],
    ['guid', guid],
    ['labels', labelsOf(labels)],
    ['options', Object.keys(options).length > 0 && JSON.stringify(options)],
    ...notes.map((note): [string, string] => [out.style('yellow', 'note'), note]),
    ...conflicts.map(({ space, reason }): [string, string] => [
      out.style('yellow', 'conflict'),
      `a route of space ${nameOf(space)} is not served: ${reason}`,
    ]),
  ]
  return [
    out.style('bold', `${host}${path}`),
    ...lines.filter(([, value]) => value).map(([name, value]) => `  ${name.padEnd(9)}${value as string}`),
    ...destinations.map((destination) => describeDestination(destination, out)),
  ].join('\n')
}

function describeDestination({ app, type, port, protocol, weight, share, wanted, instances }: Destination, out: Output): string {
  const details = [
    `port ${port}`,
    protocol,
    weight !== undefined && `weight ${weight}`,
    `gets ${percent(share)}`,
    `${instances.length} of ${wanted} running`,
  ]
  const title = `  → ${nameOf(app)} (${type}): ${details.filter(Boolean).join(', ')}`
  if (!instances.length) return title
  const rows = out.table(
    [
      { title: 'INDEX', value: ({ index }) => index, right: true },
      { title: 'INSTANCE', value: ({ guid }) => guid },
      { title: 'ADDRESS', value: ({ address, port }) => `${address}:${port}` },
      { title: 'ZONE', value: ({ zone }) => zone },
    ],
    instances,
  )
  return `${title}\n${rows.replaceAll(/^/gm, '      ')}`
}
