import { createWriteStream, readFileSync } from 'node:fs'
import { access, mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { test, type Test } from 'tap'
import { extract } from 'tar'
import { ZipFile } from 'yazl'
import type { StagingInput } from '../../../src/foundation/diego.ts'
import { stage } from '../../../src/foundation/diego/staging/stage.ts'
import { unzip } from '../../../src/foundation/diego/staging/unzip.ts'
import { eventually, startDiego, webProcess } from './harness.ts'

const folderFor = async (t: Test): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'staging-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

interface Item {
  content?: string
  mode?: number
}

async function zip(file: string, items: Record<string, string | Item>): Promise<void> {
  const archive = new ZipFile()
  for (const [name, item] of Object.entries(items)) {
    const { content = '', mode = 0o100644 } = typeof item === 'string' ? { content: item } : item
    archive.addBuffer(Buffer.from(content), name, { mode })
  }
  archive.end()
  await pipeline(archive.outputStream, createWriteStream(file))
}

/** Stages the files; with the droplet unpacked beside. */
async function build(t: Test, items: Record<string, string | Item>, changes: Partial<StagingInput> = {}) {
  const folder = await folderFor(t)
  const lines: string[] = []
  const input = {
    appGuid: 'app',
    buildGuid: 'build',
    packageFile: join(folder, 'package.zip'),
    dropletFile: join(folder, 'droplets', 'd.tgz'),
    buildpacks: [],
    environment: {},
    ...changes,
  }
  await zip(input.packageFile, items)
  const staged = stage(input, join(folder, 'work'), (line) => lines.push(line))
  await staged.catch(() => {})
  t.same(await readdir(join(folder, 'work')), [], 'nothing is left over')
  const result = await staged
  const droplet = join(folder, 'droplet')
  await mkdir(droplet)
  await extract({ file: input.dropletFile, cwd: droplet })
  return { ...result, lines, app: join(droplet, 'app') }
}

test('what an app is, and how it is started', async (t) => {
  const json = (value: object): string => JSON.stringify(value)
  const cases: Record<string, [Record<string, string>, Partial<StagingInput>, string, Record<string, string>]> = {
    'npm start': [{ 'package.json': json({ scripts: { start: 'node x.js' } }) }, {}, 'nodejs_buildpack', { web: 'npm start' }],
    main: [{ 'package.json': json({ main: 'lib/x.js' }), 'lib/x.js': '' }, {}, 'nodejs_buildpack', { web: `node 'lib/x.js'` }],
    'a usual file': [{ 'server.js': '' }, {}, 'nodejs_buildpack', { web: 'node server.js' }],
    'Procfile over npm start': [
      { 'package.json': json({ scripts: { start: 'x' } }), Procfile: 'web: node web.js\r\nworker:  node worker.js --all\n# no\n' },
      {},
      'nodejs_buildpack',
      { web: 'node web.js', worker: 'node worker.js --all' },
    ],
    'Procfile alone': [{ Procfile: 'web: ./run' }, {}, 'binary_buildpack', { web: './run' }],
    'index.html': [{ 'index.html': 'hello', 'app.js': '' }, {}, 'staticfile_buildpack', { web: 'node .static/server.mts' }],
    Staticfile: [{ Staticfile: 'root: dist', 'package.json': '{}' }, {}, 'staticfile_buildpack', { web: 'node .static/server.mts' }],
    'a command': [{ 'main.py': '' }, { command: 'python3 main.py' }, 'binary_buildpack', {}],
    'a named buildpack': [
      { 'index.html': '', Procfile: 'web: ./run' },
      { buildpacks: ['https://github.com/cloudfoundry/staticfile-buildpack.git#v1'] },
      'staticfile_buildpack',
      { web: './run' },
    ],
  }
  for (const [name, [files, changes, buildpack, processTypes]] of Object.entries(cases)) {
    t.match(await build(t, files, changes), { buildpack, processTypes }, name)
  }
})

test('what cannot be staged is refused with a sentence, and leaves nothing behind', async (t) => {
  const refused = (items: Record<string, string | Item>, message: RegExp, changes: Partial<StagingInput> = {}) =>
    t.rejects(build(t, items, changes), { message })
  await refused({ 'readme.txt': 'hi' }, /^NoAppDetectedError - An app was not successfully detected by any available buildpack$/)
  await refused({ 'index.html': '' }, /^NoAppDetectedError - Buildpack "cobol" is not known here; there are staticfile_buildpack, /, {
    buildpacks: ['cobol'],
  })
  await refused({ 'package.json': '{' }, /^BuildpackCompileFailed - .*package\.json: /)
  await refused({ 'package.json': '[]' }, /package\.json: is not an object/)
  await refused({ Staticfile: 'root: [' }, /Staticfile: /)
})

test('dependencies that are not there are installed, and those that are are left alone', async (t) => {
  const here = {
    'package.json': JSON.stringify({ main: 'x.js', dependencies: { leftpad: '1' } }),
    'x.js': '',
    'node_modules/leftpad/index.js': '',
  }
  t.match((await build(t, here)).lines, ['-----> nodejs_buildpack', '       no dependencies to install'])

  const local = {
    'package.json': JSON.stringify({ main: 'x.js', dependencies: { local: 'file:./local' } }),
    'x.js': '',
    'local/package.json': '{"name":"local","version":"1.0.0"}',
  }
  const { lines, app } = await build(t, local)
  t.ok(lines.some((line) => line.includes('npm install --omit=dev')))
  await t.resolves(access(join(app, 'node_modules', 'local', 'package.json')))

  const offline = { 'package.json': JSON.stringify({ main: 'x.js', dependencies: { 'not-there': '1' } }), 'x.js': '' }
  await t.rejects(build(t, offline, { environment: { npm_config_registry: 'http://127.0.0.1:9/', npm_config_fetch_retries: '0' } }), {
    message: /cannot install not-there: npm ended with status 1.*push the app with its node_modules folder/,
  })
})

test('a package is unpacked within its folder: names, links and sizes', async (t) => {
  const folder = await folderFor(t)
  const file = join(folder, 'package.zip')
  const unpack = async (items: Record<string, string | Item>, limits?: { size: number; entries: number }): Promise<string> => {
    const to = await mkdtemp(join(folder, 'to-'))
    await zip(file, items)
    await unzip(file, to, limits)
    return to
  }
  const link = (content: string): Item => ({ content, mode: 0o120777 })
  const refused = (items: Record<string, string | Item>, message: RegExp, limits?: { size: number; entries: number }) =>
    t.rejects(unpack(items, limits), { message })

  const good = await unpack({ 'bin/run': { content: '#!/bin/sh', mode: 0o100755 }, 'bin/same': link('run'), nowhere: link('not/yet') })
  t.equal(await readlink(join(good, 'bin/same')), 'run')
  t.equal(readFileSync(join(good, 'bin/same'), 'utf8'), '#!/bin/sh')
  await t.resolves(access(join(good, 'bin/run'), 1))

  await refused({ out: link('../..') }, /the link out leads out of it/)
  await refused({ out: link('/etc') }, /the link out leads out of it/)
  await refused({ 'a/b/root': link('../..'), 'a/b/out': link('root/..') }, /leads out of it/)
  await refused({ big: 'x'.repeat(1000) }, /unpacks to more than 999 bytes/, { size: 999, entries: 10 })
  await refused({ a: '', b: '' }, /more than 1 entries/, { size: 999, entries: 1 })

  // yazl makes no bad names, so one is written over a good one of the same length.
  for (const name of ['../../evil', '/etc/evil.']) {
    await zip(file, { 'innocent.x': 'x' })
    await writeFile(file, Buffer.from(readFileSync(file).toString('latin1').replaceAll('innocent.x', name), 'latin1'))
    await t.rejects(unzip(file, folder), { message: /cannot be unpacked: (invalid relative path|absolute path)/ }, name)
  }
  // Declared smaller than it is.
  await zip(file, { liar: 'x'.repeat(1000) })
  const bytes = readFileSync(file)
  bytes.writeUInt32LE(10, bytes.indexOf(Buffer.from([0x50, 0x4b, 1, 2])) + 24)
  await writeFile(file, bytes)
  await t.rejects(unzip(file, folder), { message: /cannot be unpacked/ })
  await writeFile(file, 'not a zip at all')
  await t.rejects(unzip(file, folder), { message: /cannot be unpacked/ })
})

test('a static site is served from its droplet', async (t) => {
  const { diego, dataDir } = await startDiego(t)
  const packageFile = join(dataDir, 'package.zip')
  await zip(packageFile, {
    Staticfile: 'root: dist',
    'secret.txt': 'x',
    'dist/index.html': '<h1>hello</h1>',
    'dist/style.css': 'h1 {}',
    'dist/empty.txt': '',
    'dist/sub/index.html': 'sub',
    'dist/.hidden': 'x',
    'dist/404.html': 'nothing here',
  })
  await mkdir(join(dataDir, 'droplets'))
  const { processTypes } = await diego.stage(
    { appGuid: 'site', buildGuid: 'b', packageFile, dropletFile: join(dataDir, 'droplets', 'site.tgz'), buildpacks: [], environment: {} },
    () => {},
  )
  diego.desire(webProcess('site-1', 'site', { command: processTypes['web']! }))
  const { ports } = await eventually('running', () => diego.instances('site-1').find(({ state }) => state === 'RUNNING'))
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`http://127.0.0.1:${ports[0]!.external}${path}`, { redirect: 'manual', ...init })
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      location: response.headers.get('location'),
      modified: response.headers.get('last-modified'),
      body: await response.text(),
    }
  }
  const home = await ask('/')
  t.match(home, { status: 200, type: 'text/html; charset=utf-8', body: '<h1>hello</h1>' })
  t.match(await ask('/style.css?v=1'), { status: 200, type: 'text/css; charset=utf-8' })
  t.match(await ask('/empty.txt'), { status: 200, body: '' })
  t.match(await ask('/sub'), { status: 301, location: '/sub/' })
  t.match(await ask('/sub/'), { status: 200, body: 'sub' })
  t.match(await ask('/', { method: 'HEAD' }), { status: 200, body: '' })
  t.match(await ask('/', { method: 'POST' }), { status: 405 })
  t.match(await ask('/', { headers: { 'If-Modified-Since': home.modified! } }), { status: 304 })
  for (const path of ['/none', '/.hidden', '/..%2fsecret.txt', '/%2e%2e/secret.txt', '/sub/..%2f..%2fsecret.txt'])
    t.match(await ask(path), { status: 404, body: 'nothing here' }, path)
  t.match(await ask('/%E0%A4%A'), { status: 400 })
})
