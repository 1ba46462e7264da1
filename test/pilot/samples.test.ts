import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { gatewayKey } from '../../src/mesh/istio/gateways.ts'
import { checkText } from '../../src/mesh/istio/check.ts'
import type { Destination as RuleDestination, Resource } from '../../src/mesh/istio/types.ts'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { typeUrls } from '../../src/common/xds/resources.ts'
import { resourceKey, type Change } from '../../src/mesh/records.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { destination, instance, process, resource, route } from './records.ts'
import { settingsOf } from './rig.ts'

const samples = resolve(import.meta.dirname, '../../../shared/istio')
const absent = existsSync(samples) ? false : '../shared is not here'
const files = new Set(
  readFileSync(resolve(import.meta.dirname, '../mesh/istio/verdicts.txt'), 'utf8')
    .trim()
    .split('\n')
    .filter((line) => line.includes(' accepted'))
    .map((line) => line.split(' ')[0]!),
)

/** What nothing follows from, FILE POSITION → why, in a world that has all services, subsets and Gateways that the file names. */
const nothing = parse(readFileSync(resolve(import.meta.dirname, 'samples.yaml'), 'utf8')) as Record<string, string>
const settings = settingsOf({ portLeases: [{ port: 8080, spaces: ['space'] }] })

/** The accepted resources of a file, as a developer of the space `space` applies them. */
function acceptedOf(file: string): { position: number; value: Resource }[] {
  return checkText(readFileSync(resolve(samples, file), 'utf8'), 'mesh-system').flatMap(({ resource: draft }, position) =>
    draft
      ? [
          {
            position,
            value: { ...draft, metadata: { ...draft.metadata, namespace: 'space', generation: 1, createdAt: '2026-01-01T00:00:00Z' } },
          },
        ]
      : [],
  )
}

const changeOf = (value: Resource): Change & { kind: 'resource' } => ({ kind: 'resource', key: resourceKey(value), value })

/** What resources send to. */
function destinationsOf(value: Resource): RuleDestination[] {
  if (value.kind !== 'VirtualService') return []
  const { http = [], tls = [], tcp = [] } = value.spec
  return [...http, ...tls, ...tcp].flatMap(({ route = [] }) => route.map((one) => one.destination))
}

/**
 * What resources need around them: apps and routes for all hosts that they name and no ServiceEntry of theirs has, a version for each
 * subset; and where they have none themselves, DestinationRules that give the subsets which they name, rules that send to those which they
 * give, and Gateways.
 */
function worldOf(resources: Resource[]): Change[] {
  const external = new Set(resources.flatMap((one) => (one.kind === 'ServiceEntry' ? one.spec.hosts : [])))
  const ruled = resources.flatMap((one) => (one.kind === 'DestinationRule' ? [one.spec.host] : []))
  const destinations = resources.flatMap(destinationsOf)
  const hosts = new Set([
    ...resources.flatMap((one) => (one.kind === 'VirtualService' ? one.spec.hosts! : [])),
    ...ruled,
    ...destinations.map(({ host }) => host),
  ])
  const served = [...hosts].filter((host) => !external.has(host) && !host.includes('*'))
  const subsets = new Set(
    [
      ...destinations.map(({ subset }) => subset),
      ...resources.flatMap((one) =>
        one.kind === 'DestinationRule' ? (one.spec.subsets ?? []).map(({ labels }) => labels?.['version']) : [],
      ),
    ].filter((one) => one !== undefined),
  )
  const unasked = resources.flatMap((one) =>
    one.kind === 'DestinationRule' && one.spec.subsets && !destinations.some(({ host }) => host === one.spec.host) ? [one.spec] : [],
  )
  const gateways = new Set(
    resources
      .flatMap((one) => (one.kind === 'VirtualService' ? (one.spec.gateways ?? []) : []))
      .filter((written) => written !== 'mesh')
      .map((written) => gatewayKey(written, 'space')),
  )
  for (const { key } of resources.map(changeOf)) gateways.delete(key)
  const lacking = [
    ...Map.groupBy(
      destinations.filter(({ host, subset }) => subset !== undefined && !ruled.includes(host)),
      ({ host }) => host,
    ),
  ]
  return [
    { kind: 'organization', key: 'org', value: { name: 'org' } },
    { kind: 'space', key: 'space', value: { name: 'default', organization: 'org' } },
    ...[...served, 'any.mesh.test'].flatMap((host, at): Change[] => {
      const service = host.split('.')[0]!
      const versions = ['', ...subsets].map((version, index) => ({ version, app: `app-${at}-${index}`, process: `process-${at}-${index}` }))
      return [
        ...versions.flatMap(({ version, app, process: key }, index): Change[] => [
          { kind: 'app', key: app, value: { name: app, space: 'space', labels: { app: service, version }, annotations: {} } },
          process(key, 1, app),
          instance(`instance-${at}-${index}`, { process: key, address: `10.0.${at}.${index + 1}` }),
        ]),
        route(
          host.includes('.') ? host : `${host}.mesh.test`,
          versions.map(({ app, process: key }) => destination([key], { app })),
        ),
      ]
    }),
    ...lacking.map(([host, named], at) =>
      resource('DestinationRule', `subsets-${at}`, {
        host,
        subsets: [...new Set(named.map(({ subset }) => subset!))].map((name) => ({ name, labels: { version: name } })),
      }),
    ),
    ...unasked.map(({ host, subsets = [] }, at) =>
      resource('VirtualService', `asks-${at}`, {
        hosts: [host],
        http: [{ route: subsets.map(({ name }) => ({ destination: { host, subset: name }, weight: 1 })) }],
      }),
    ),
    ...[...gateways].map((key) => {
      const [, namespace, name] = key.split('/')
      return resource('Gateway', name!, { servers: [{ hosts: ['*'], port: { number: 80, name: 'http', protocol: 'HTTP' } }] }, namespace)
    }),
  ]
}

/** All that pilot makes of a world, and what it says of it. */
function translated(world: Change[], resources: Resource[]): { output: string; translator: Translator } {
  const translator = new Translator(settings)
  const cache = new ResourceCache()
  cache.apply({ changed: translator.constants, removed: [] })
  cache.apply(translator.apply([...world, ...resources.map(changeOf)]))
  const made = Object.values(typeUrls).flatMap((typeUrl) =>
    [...cache.all(typeUrl).values()].map(({ name, any }) => `${typeUrl} ${name} ${Buffer.from(any.value).toString('base64')}`),
  )
  return { output: JSON.stringify([made.sort(), translator.rules.gatewayChains()]), translator }
}

test(
  "of each of Istio's own samples that is accepted all is served, and something follows for routers unless it is written why not",
  { skip: absent },
  (t) => {
    const idle: string[] = []
    for (const file of files) {
      const accepted = acceptedOf(file)
      const resources = accepted.map(({ value }) => value)
      const world = worldOf(resources)
      const { output, translator } = translated(world, resources)
      t.same(translator.faults, [], file)
      for (const { position, value } of accepted) {
        t.same(translator.degraded(resourceKey(value)), [], `${file} ${position} is served in all that it says`)
        if (
          translated(
            world,
            resources.filter((other) => other !== value),
          ).output === output
        )
          idle.push(`${file} ${position}`)
      }
    }
    t.same(
      idle.sort(),
      Object.keys(nothing).sort(),
      'nothing follows from those of test/pilot/samples.yaml, each with the reason, and from no other',
    )
    t.end()
  },
)
