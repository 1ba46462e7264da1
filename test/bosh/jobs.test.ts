import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { certificateFaults } from '../../src/common/certificates.ts'
import { readConfig } from '../../src/common/config.ts'
import { CopilotConfig } from '../../src/copilot/config.ts'
import { RouterConfig } from '../../src/istio-router/config.ts'
import { PilotConfig } from '../../src/pilot/config.ts'
import { RouteSyncerConfig } from '../../src/route-syncer/config.ts'
import { SmokeTestsConfig } from '../../src/smoke-tests/config.ts'
import { jobNames, jobSpec, renderJobs, root, rubyAbsent, type JobSpec, type RenderRequest } from './support/jobs.ts'
import { Prefix } from './support/prefix.ts'
import { full, minimal } from './support/properties.ts'
import { refusedByPreStart, refusedByTemplates } from './support/wrong.ts'

const schemas = {
  copilot: CopilotConfig,
  'istio-router': RouterConfig,
  pilot: PilotConfig,
  'route-syncer': RouteSyncerConfig,
  'smoke-tests': SmokeTestsConfig,
}

type Tree = Record<string, unknown>

/** `changes` laid over `base`: what a deployment's own properties are to those of the test. */
function overlay(base: object, changes: object): Tree {
  const result: Tree = { ...base }
  for (const [key, value] of Object.entries(changes)) {
    const before = result[key]
    result[key] = isTree(value) && isTree(before) ? overlay(before, value) : value
  }
  return result
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function without(tree: object, [first = '', ...rest]: string[]): Tree {
  const { [first]: found, ...others } = tree as Tree
  return rest.length && isTree(found) ? { ...others, [first]: without(found, rest) } : others
}

function has(tree: unknown, path: string[]): boolean {
  return path.reduce<unknown>((at, key) => (isTree(at) ? at[key] : undefined), tree) !== undefined
}

function sources(job: string, spec: JobSpec): string {
  return Object.keys(spec.templates)
    .map((template) => readFileSync(join(root, 'jobs', job, 'templates', template), 'utf8'))
    .join('\n')
}

for (const job of jobNames) {
  test(`${job}: the spec declares what its templates use, and nothing else`, (t) => {
    const spec = jobSpec(job)
    const text = sources(job, spec)
    t.equal(spec.name, job)
    t.same(new Set(readdirSync(join(root, 'jobs', job, 'templates'))), new Set(Object.keys(spec.templates)))
    for (const name of spec.packages) t.ok(existsSync(join(root, 'packages', name, 'spec')), `package ${name}`)
    const used = new Set(
      [...text.matchAll(/(?<![\w.])(?:(?:if_)?p|(?:checked|port|flag|seconds)\.call)\('([\w.]+)'/g)].map(([, name]) => name),
    )
    t.same(used, new Set(Object.keys(spec.properties)))
    for (const [name, { description, default: standard, example }] of Object.entries(spec.properties)) {
      t.ok(description, `${name} is described`)
      t.ok(standard !== undefined || example !== undefined, `${name} has a default or an example`)
    }
    for (const name of [...text.matchAll(/link\('(\w+[\w-]*)'\)/g)].map(([, name]) => name))
      t.ok(
        spec.consumes?.some((link) => link.name === name),
        `link ${name}`,
      )
    for (const { properties = [] } of spec.provides ?? []) for (const name of properties) t.hasProp(spec.properties, name)
    t.end()
  })
}

test('jobs render with their defaults and with every property set, and their programs accept that', { skip: rubyAbsent }, (t) => {
  const sets = [minimal, full]
  for (const set of sets) {
    const prefix = new Prefix()
    t.teardown(() => prefix.discard())
    const rendered = renderJobs(jobNames.map((job) => ({ job, ...set[job]! })))
    for (const [index, job] of jobNames.entries()) {
      const files = rendered[index]!
      t.same(files.errors, [], job)
      prefix.install(job, files)
      for (const [path, text] of Object.entries(files.files)) {
        if (path.startsWith('bin/')) t.equal(spawnSync('bash', ['-n'], { input: text }).status, 0, `${job}/${path} is a script`)
        if (path.endsWith('.yml')) t.doesNotThrow(() => parse(text) as unknown, `${job}/${path} is YAML`)
      }
      t.doesNotThrow(
        () => t.same(certificateFaults(readConfig(schemas[job], prefix.path('jobs', job, 'config', `${job}.yml`))), []),
        `${job} accepts it`,
      )
    }
  }
  t.end()
})

test('every property reaches a file of its job', { skip: rubyAbsent }, (t) => {
  const rendered = renderJobs(jobNames.flatMap((job) => [minimal, full].map((set) => ({ job, ...set[job]! }))))
  for (const [index, job] of jobNames.entries()) {
    for (const name of Object.keys(jobSpec(job).properties))
      t.ok(has(full[job]!.properties, name.split('.')), `${job}: ${name} has a value in the test`)
    t.notSame(rendered[index * 2]?.files, rendered[index * 2 + 1]?.files)
  }
  t.end()
})

test('a property that is missing is named', { skip: rubyAbsent }, (t) => {
  const cases = jobNames.flatMap((job) =>
    Object.entries(jobSpec(job).properties).flatMap(([name, { default: standard }]) => {
      const path = name.split('.')
      const optional = standard !== undefined || (job === 'smoke-tests' && name === 'ca')
      return !optional && has(minimal[job]!.properties, path)
        ? [{ job, name, links: minimal[job]!.links, properties: without(minimal[job]!.properties, path) }]
        : []
    }),
  )
  const rendered = renderJobs(cases)
  for (const [index, { job, name }] of cases.entries()) t.match(rendered[index]?.errors.join('\n'), `'["${name}"]'`, `${job}: ${name}`)
  t.ok(cases.length > 20)
  t.end()
})

test('a wrong property is refused by name before anything is deployed, where the template can tell', { skip: rubyAbsent }, (t) => {
  const rendered = renderJobs(
    refusedByTemplates.map(({ job, properties }) => ({
      job,
      links: minimal[job]!.links,
      properties: overlay(minimal[job]!.properties, properties),
    })),
  )
  for (const [index, { job, names }] of refusedByTemplates.entries()) t.match(rendered[index]?.errors.join('\n'), names, `${job}: ${names}`)
  t.end()
})

test('pre-start names every wrong property and certificate', { skip: rubyAbsent }, (t) => {
  for (const [job, cases] of Object.entries(refusedByPreStart)) {
    for (const { properties, names } of cases) {
      const prefix = new Prefix()
      const [rendered] = renderJobs([{ job, links: minimal[job]!.links, properties: overlay(minimal[job]!.properties, properties) }])
      prefix.install(job, rendered!)
      const { status, stderr } = spawnSync(prefix.path('jobs', job, 'bin/pre-start'), { encoding: 'utf8' })
      t.equal(status, 1, `${job} is refused`)
      for (const name of names) t.match(stderr, `\n  ${name}`, `${job}: ${name}`)
      prefix.discard()
    }
  }
  t.end()
})

/** `tree` with `value` at `path`. */
function withValue(tree: unknown, [first = '', ...rest]: string[], value: unknown): Tree {
  const base = isTree(tree) ? tree : {}
  return { ...base, [first]: rest.length ? withValue(base[first], rest, value) : value }
}

test('whichever property is of the wrong kind, the template or pre-start says its name', { skip: rubyAbsent }, (t) => {
  const pem = /(^|\.)(ca|certificate|private_key)$/
  for (const job of jobNames) {
    const { properties, links } = full[job]!
    for (const kind of ['PEM', 'others']) {
      const wrong = Object.keys(jobSpec(job).properties)
        .filter((name) => pem.test(name) === (kind === 'PEM'))
        .map((name) => ({ name, path: name.split('.'), value: kind === 'PEM' ? 'no PEM' : { [name]: true } }))
      if (!wrong.length) continue
      const alone = renderJobs(wrong.map(({ path, value }) => ({ job, links, properties: withValue(properties, path, value) })))
      const passed = wrong.filter(({ name }, index) => {
        const { errors } = alone[index]!
        if (errors.length) t.match(errors.join('\n'), name, `${job}: its template names ${name}`)
        return !errors.length
      })
      const [together] = renderJobs([
        { job, links, properties: passed.reduce((all, { path, value }) => withValue(all, path, value), properties as Tree) },
      ])
      const prefix = new Prefix()
      t.teardown(() => prefix.discard())
      prefix.install(job, together!)
      const { stderr } = spawnSync(prefix.path('jobs', job, 'bin/pre-start'), { encoding: 'utf8' })
      for (const { name } of passed) t.match(stderr, `\n  ${name}`, `${job}: pre-start names ${name}`)
    }
  }
  t.end()
})

/** Fields that no property sets, and why. */
const fixed: Record<string, Record<string, string>> = {
  copilot: {
    clients: 'the names are those in the certificates of manifests and ops-files',
    'api.uaa.audience': 'tokens for Cloud Controller are what people have',
    'limits.records': 'far above what Cloud Foundry holds',
    'limits.lineBytes': 'far above what a record needs',
    'limits.bodyBytes': 'far above what people send',
    'limits.stallSeconds': 'pilots take what they are sent at once',
  },
  'istio-router': { engine: 'Envoy is production', 'pilot.serverName': 'the name is that in the certificate' },
  pilot: {
    clientName: 'the name is that in the certificate',
    'copilot.serverName': 'the name is that in the certificate',
    'debug.listen.host': 'without authentication, so loopback',
  },
  'route-syncer': {
    'cloudController.patience': 'monit starts what ends',
    'copilot.serverName': 'the name is that in the certificate',
    'uaa.clientSecretFile': 'uaa.client_secret is in the file',
  },
}

function fieldsOf(schema: { properties?: object; items?: { properties?: object } }, path = ''): string[] {
  const properties = schema.properties ?? schema.items?.properties
  if (!properties) return [path]
  return Object.entries(properties).flatMap(([name, child]) => fieldsOf(child as object, path ? `${path}.${name}` : name))
}

function setIn(config: unknown, path: string[]): boolean {
  if (Array.isArray(config)) return config.some((item) => setIn(item, path))
  if (!path.length) return config !== undefined
  return isTree(config) && setIn(config[path[0]!], path.slice(1))
}

test('every field of a program can be set by a property of its job, or need not', { skip: rubyAbsent }, (t) => {
  const rendered = renderJobs(jobNames.flatMap((job) => [minimal, full].map((set) => ({ job, ...set[job]! }))))
  for (const [index, job] of jobNames.entries()) {
    const configs = rendered.slice(index * 2, index * 2 + 2).map(({ files }) => parse(files[`config/${job}.yml`]!) as unknown)
    const reasons = Object.keys({ 'health.listen.host': 'without authentication, so loopback', ...fixed[job] })
    for (const field of fieldsOf(schemas[job])) {
      const needless = reasons.some((reason) => field === reason || field.startsWith(`${reason}.`))
      t.equal(
        configs.some((config) => setIn(config, field.split('.'))),
        !needless,
        `${job}: ${field}`,
      )
    }
  }
  t.end()
})

test('a link that is missing or not consumed is an error', { skip: rubyAbsent }, (t) => {
  const [none, foreign] = renderJobs([
    { job: 'pilot', properties: minimal['pilot']!.properties },
    {
      job: 'pilot',
      properties: minimal['pilot']!.properties,
      links: { ...minimal['pilot']!.links, nats: minimal['pilot']!.links['copilot']! },
    },
  ])
  t.match(none?.errors, [/copilot/])
  t.match(foreign?.errors, [/nats/])
  t.end()
})

test('route-syncer finds Cloud Controller by property, else by either link', { skip: rubyAbsent }, (t) => {
  const { properties, links } = minimal['route-syncer']!
  const https = {
    ...links['copilot']!,
    properties: { cc: { internal_service_hostname: 'cc.internal', public_tls: { port: 9024, ca_cert: 'THE CA' } } },
  }
  const { copilot } = links
  const { cloud_controller: shared } = links
  const requests: Omit<RenderRequest, 'job'>[] = [
    { properties, links: { copilot: copilot!, cloud_controller: shared!, cloud_controller_https_endpoint: https } },
    { properties, links: { copilot: copilot!, cloud_controller: shared! } },
    {
      properties: { ...properties, cloud_controller: { url: 'https://mine.test' } },
      links: { copilot: copilot!, cloud_controller_https_endpoint: https },
    },
    { properties, links: { copilot: copilot! } },
  ]
  const rendered = renderJobs(requests.map((request) => ({ job: 'route-syncer', ...request })))
  const found = rendered
    .slice(0, 3)
    .map(({ files }) => (parse(files['config/route-syncer.yml']!) as { cloudController: { url: string; ca?: string } }).cloudController)
  t.match(found, [
    { url: 'https://cc.internal:9024', ca: /cloud_controller_ca.crt$/ },
    { url: 'https://api.sys.test', ca: undefined },
    { url: 'https://mine.test', ca: undefined },
  ])
  t.match(rendered[0]?.files['config/certificates/cloud_controller_ca.crt'], /THE CA/)
  t.match(rendered[3]?.errors, [/cloud_controller\.url/])
  t.end()
})
