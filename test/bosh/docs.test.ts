import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { test } from 'tap'
import { createProgram } from '../../src/cli/program.ts'
import { CopilotConfig } from '../../src/copilot/config.ts'
import { RouterConfig } from '../../src/istio-router/config.ts'
import { PilotConfig } from '../../src/pilot/config.ts'
import { RouteSyncerConfig } from '../../src/route-syncer/config.ts'
import { jobNames, jobSpec, root } from './support/jobs.ts'
import { readYaml } from './support/ops.ts'

interface Page {
  file: string
  text: string
}

function read(file: string): Page {
  return { file, text: readFileSync(join(root, file), 'utf8') }
}

const markdown = (folder: string): Page[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => read(join(folder, file)))
const pages = [read('README.md'), read('CONTRIBUTING.md'), ...markdown('docs'), ...markdown('ops-files'), ...markdown('examples')]
const operators = markdown('docs/operators')

/** What a page shows as code: indented and fenced lines, and spans. */
function code({ text }: Page): string[] {
  return text
    .split('\n')
    .flatMap((line) => (/^( {4}|\t)/.test(line) ? [line.trim()] : [...line.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span)))
    .concat([...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) => block.split('\n').map((line) => line.trim())))
}

const cli = { out: { write: () => {} }, err: { write: () => {} }, environment: {}, exitCode: 0 }
const program = createProgram(cli as unknown as Parameters<typeof createProgram>[0])

/** What is wrong with a command line of meshctl: a subcommand or an option that does not exist. */
function commandFaults(line: string): string[] {
  let command: Command = program
  const faults: string[] = []
  const known = new Set<string>()
  const learn = ({ options }: Command): void =>
    options.forEach(({ short, long }) => [short, long].forEach((flag) => flag && known.add(flag)))
  learn(program)
  let positional = false
  const [, ...words] = line.split(/\s+/)
  for (const word of words.map((word) => word.replaceAll(/[[\]`…,;)]/g, ''))) {
    if (word.startsWith('-') && word.length > 1) {
      if (!known.has(word.split('=')[0]!) && word !== '--help') faults.push(`${command.name()} has no ${word}`)
      continue
    }
    const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word))
    if (next && !positional) {
      command = next
      learn(command)
    } else if (command.commands.length && !positional && /^[a-z][a-z-]*$/.test(word)) {
      faults.push(`${command.name()} has no ${word}`)
      positional = true
    } else positional = true
  }
  return faults
}

test('each meshctl command of the docs exists, with its options', (t) => {
  let seen = 0
  for (const page of pages) {
    for (const line of code(page)) {
      // What follows two blanks or a hash is a remark; several commands stand apart by pipes and semicolons.
      for (const part of line.split(/\s{2,}|\s#\s|[|;]|&&/)) {
        const found = /^(?:\$ |npx )?(meshctl(?: .*)?)$/.exec(part.trim())?.[1]
        if (!found) continue
        seen++
        t.same(commandFaults(found), [], `${page.file}: ${found}`)
      }
    }
  }
  t.ok(seen > 40, `${seen} commands`)
  t.same(commandFaults('meshctl statsu'), ['meshctl has no statsu'])
  t.same(commandFaults('meshctl trace HOST --colour red'), ['trace has no --colour'])
  t.end()
})

/** Paths of fields or properties, each with all above it. */
function withParents(paths: string[]): Set<string> {
  return new Set(paths.flatMap((path) => path.split('.').map((_, index, parts) => parts.slice(0, index + 1).join('.'))))
}

function fieldsOf(schema: { properties?: object; items?: { properties?: object } }, path = ''): string[] {
  const properties = schema.properties ?? schema.items?.properties
  return properties
    ? Object.entries(properties).flatMap(([name, child]) => fieldsOf(child as object, path ? `${path}.${name}` : name))
    : [path]
}

const properties = withParents(jobNames.flatMap((job) => Object.keys(jobSpec(job).properties)))
const fields = withParents([CopilotConfig, PilotConfig, RouteSyncerConfig, RouterConfig].flatMap((schema) => fieldsOf(schema)))
/** Names with dots that are neither: of Cloud Foundry, of UAA's scopes, of hosts and files. */
const foreign =
  /\.(internal|example\.com|yml|log|md|tgz)$|^(cloud_controller\.(admin|read|write)|mesh\.admin)|^containers\.proxy|^diego_bbs_server\.ca$|^app\.|^envoy\.service\./

test('each property that the runbook names is one of a job, or a field of a program', (t) => {
  for (const page of operators) {
    for (const span of code(page).filter((span) => /^[a-z][a-zA-Z_]*(\.[a-z][a-zA-Z_]*)+(: .*)?$/.test(span))) {
      const name = span.split(':')[0]!
      if (!foreign.test(name)) t.ok(properties.has(name) || fields.has(name), `${page.file}: ${name}`)
    }
  }
  t.end()
})

test('each path under /var/vcap in the runbook is one that a job makes', (t) => {
  const logs = ['pre-start', 'post-start', 'drain', 'access.log', 'stdout.log', 'stderr.log']
  const made = jobNames.flatMap((job) => [
    ...Object.values(jobSpec(job).templates).map((path) => `/var/vcap/jobs/${job}/${path}`),
    `/var/vcap/store/${job}`,
    `/var/vcap/data/${job}`,
  ])
  for (const page of operators) {
    for (const [path] of page.text.matchAll(/\/var\/vcap\/[\w./{},*-]*[\w*]/g)) {
      const known = path.startsWith('/var/vcap/sys/log/')
        ? /^\/var\/vcap\/sys\/log\/(JOB|copilot|istio-router|pilot|route-syncer)\//.test(path) && logs.some((log) => path.includes(log))
        : made.some((one) => path === one || path.startsWith(`${one}/`) || one.startsWith(`${path}/`))
      t.ok(known, `${page.file}: ${path}`)
    }
  }
  t.end()
})

/** What each local port serves, by the properties' defaults. */
const served: Record<string, RegExp> = {
  'health.port': /^\/(health|ready|metrics)$/,
  'probe.port': /^\/health$/,
  'debug.port': /^\/debug\/(routers|route|nacks|faults)(\?.*)?$/,
}

test('each local address of the runbook is a port of a job, and what it serves', (t) => {
  const ports = jobNames.flatMap((job) =>
    Object.entries(jobSpec(job).properties).flatMap(([name, { default: port }]) =>
      served[name] ? [{ job, port: String(port), serves: served[name] }] : [],
    ),
  )
  for (const page of operators) {
    for (const [address, port, path = ''] of page.text.matchAll(/(?:localhost|127\.0\.0\.1):(\d+)(\/[^\s`'"|]*)?/g))
      t.ok(
        ports.some((one) => one.port === port && one.serves.test(path)),
        `${page.file}: ${address}`,
      )
  }
  // As «copilot 9445, pilot 9452».
  const all = jobNames.flatMap((job) =>
    Object.entries(jobSpec(job).properties)
      .filter(([name]) => /(^|[._])port$/.test(name))
      .map(([, { default: port }]) => `${job} ${String(port)}`),
  )
  for (const page of operators)
    for (const [pair] of page.text.matchAll(new RegExp(`\\b(${jobNames.join('|')}) \\d{4,5}\\b`, 'g')))
      t.ok(all.includes(pair), `${page.file}: ${pair}`)
  t.end()
})

test('each metric, variable and group of the runbook exists', (t) => {
  const source = (folder: string): string =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|yml)$/.test(file))
      .map((file) => readFileSync(join(root, folder, file), 'utf8'))
      .join('\n')
  const known = ['src', 'ops-files', 'manifests', 'tile'].map(source).join('\n')
  const own = /^mesh_(copilot_encryption_key_2|domains|internal)$/
  for (const page of operators)
    for (const [name] of page.text.matchAll(/\bmesh_[a-z0-9_]+\b/g))
      t.ok(own.test(name) || new RegExp(`\\b${name.replace(/^mesh_/, '(mesh_)?')}\\b`).test(known), `${page.file}: ${name}`)
  t.end()
})

test('each script, ops-file and link of the docs exists', (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  for (const page of pages) {
    for (const line of code(page)) {
      for (const [, script = ''] of line.matchAll(/\bnpm run (?:-s |--silent )?([a-z][\w-]*)/g))
        t.hasProp(scripts, script, `${page.file}: npm run ${script}`)
      for (const [path] of line.matchAll(/\bops-files\/[\w-]+\.yml/g)) t.ok(existsSync(join(root, path)), `${page.file}: ${path}`)
    }
    for (const [, target = ''] of page.text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/\]\(([^()\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path ? join(dirname(page.file), path) : page.file
      t.ok(existsSync(join(root, file)), `${page.file}: ${target}`)
      if (anchor && file.endsWith('.md')) t.ok(anchorsOf(read(file).text).includes(anchor), `${page.file}: ${target}`)
    }
  }
  t.end()
})

/** Anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

test('each instance group, job and errand that the runbook gives to bosh exists', (t) => {
  const { instance_groups: groups } = readYaml(readFileSync(join(root, 'manifests/mesh.yml'), 'utf8')) as {
    instance_groups: { name: string; lifecycle?: string }[]
  }
  for (const page of operators) {
    for (const line of code(page)) {
      for (const [, errand = ''] of line.matchAll(/\brun-errand (\S+)/g))
        t.ok(
          groups.some(({ name, lifecycle }) => name === errand && lifecycle === 'errand'),
          `${page.file}: ${errand}`,
        )
      for (const [, group = ''] of line.matchAll(/\bbosh (?:-d \S+ )?(?:ssh|logs|recreate|restart|stop|start) ([a-z-]+)/g))
        t.ok(
          groups.some(({ name }) => name === group),
          `${page.file}: ${line}`,
        )
    }
  }
  t.end()
})
