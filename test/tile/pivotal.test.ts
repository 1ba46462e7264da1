import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { create } from 'tar'
import { test, type Test } from 'tap'
import { parse } from 'yaml'
import yauzl from 'yauzl'
import { tileFaults } from '../../scripts/tile/check.ts'
import { writeTile } from '../../scripts/tile/pivotal.ts'
import { pinnedRelease, pins, readTarball, type Tarball } from '../../scripts/tile/releases.ts'
import type { Metadata } from '../../scripts/tile/types.ts'
import { root } from '../bosh/support/jobs.ts'

function scratch(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-tile-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A release tarball with nothing but its manifest; with `./` before it, as tar writes it for BOSH. */
function tarball(folder: string, name: string, version: string, prefix = ''): string {
  const path = join(folder, `${name}-${version}.tgz`)
  writeFileSync(join(folder, 'release.MF'), `name: ${name}\nversion: ${version}\n`)
  create({ file: path, cwd: folder, gzip: true, sync: true, portable: true, mtime: new Date(0) }, [`${prefix}release.MF`])
  return path
}

async function releases(folder: string): Promise<Tarball[]> {
  const all = [{ name: 'mesh', version: '0.1.0+dev.1' }, ...pins()]
  return Promise.all(all.map(({ name, version }) => readTarball(tarball(folder, name, version))))
}

test('the .pivotal file has metadata, releases and migrations', async (t) => {
  const folder = scratch(t)
  const file = join(folder, 'dist/mesh.pivotal')
  await writeTile(file, '0.1.0', await releases(folder))
  const zip = await yauzl.openPromise(file)
  const contents = new Map<string, string>()
  for await (const entry of zip.eachEntry()) contents.set(entry.fileName, await text(await zip.openReadStreamPromise(entry)))
  const metadata = parse(contents.get('metadata/mesh-release.yml')!, { version: '1.1' }) as Metadata
  t.same(tileFaults(metadata), [])
  t.same(metadata.releases[0], { name: 'mesh', file: 'mesh-0.1.0+dev.1.tgz', version: '0.1.0+dev.1' })
  t.same(
    new Set(contents.keys()),
    new Set(['metadata/mesh-release.yml', 'migrations/v1/', ...metadata.releases.map(({ file }) => `releases/${file}`)]),
  )
  t.same(readdirSync(join(folder, 'dist')), ['mesh.pivotal'])
})

test('the same releases give the same bytes', async (t) => {
  const folder = scratch(t)
  const tarballs = await releases(folder)
  const zone = process.env['TZ']
  t.teardown(() => (zone === undefined ? delete process.env['TZ'] : (process.env['TZ'] = zone)))
  const files = ['UTC', 'Asia/Seoul', 'America/Los_Angeles'].map((name) => ({
    name,
    file: join(folder, `${name.replace('/', '-')}.pivotal`),
  }))
  for (const { name, file } of files) {
    process.env['TZ'] = name
    await writeTile(file, '0.1.0', [...tarballs])
  }
  t.equal(new Set(files.map(({ file }) => createHash('sha256').update(readFileSync(file)).digest('hex'))).size, 1)
})

test('a tile that is not right is not written', async (t) => {
  const folder = scratch(t)
  const file = join(folder, 'mesh.pivotal')
  const tarballs = await releases(folder)
  await t.rejects(writeTile(file, '0.1.0', tarballs.slice(1)), { message: /there is no release mesh/ })
  await t.rejects(writeTile(file, 'new', tarballs), { message: /product_version/ })
  rmSync(tarballs[0]!.path)
  await t.rejects(writeTile(file, '0.1.0', tarballs), { code: 'ENOENT' })
  t.notOk(existsSync(file) || existsSync(`${file}.part`))
})

test('a release tarball tells its name and version', async (t) => {
  const folder = scratch(t)
  t.match(await readTarball(tarball(folder, 'mesh', '1.2.3', './')), { name: 'mesh', version: '1.2.3' })
  const other = join(folder, 'other.tgz')
  writeFileSync(other, 'no tarball')
  await t.rejects(readTarball(other), { message: /other\.tgz is not a release tarball/ })
  await t.rejects(readTarball(join(folder, 'none.tgz')), { message: /none\.tgz is not a release tarball/ })
})

test('npm run tile builds from tarballs on this machine, and says all that is missing', async (t) => {
  const folder = scratch(t)
  const [, ...others] = await releases(folder)
  const pinned = pins().map((pin) => ({
    ...pin,
    url: 'http://127.0.0.1:1/',
    digest: `sha256:${createHash('sha256')
      .update(readFileSync(join(folder, `${pin.name}-${pin.version}.tgz`)))
      .digest('hex')}`,
  }))
  writeFileSync(join(folder, 'pins.yml'), JSON.stringify(pinned))
  const build = (releases: string): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(
      process.execPath,
      [
        join(root, 'scripts/tile.ts'),
        '--version',
        '1.2.3',
        '--mesh',
        join(folder, 'mesh-0.1.0+dev.1.tgz'),
        '--pins',
        join(folder, 'pins.yml'),
        '--releases',
        releases,
        '--output',
        join(folder, 'mesh.pivotal'),
      ],
      { encoding: 'utf8' },
    )

  const bare = build(join(folder, 'none'))
  t.equal(bare.status, 1)
  for (const { name, version } of others)
    t.match(bare.stderr, new RegExp(`^${name} ${version} could not be fetched .*none/${name}-${version}\\.tgz$`, 'm'))
  t.notOk(existsSync(join(folder, 'mesh.pivotal')))

  const built = build(folder)
  t.equal(built.status, 0, built.stderr)
  t.match(built.stdout, /mesh\.pivotal: version 1\.2\.3, with mesh 0\.1\.0\+dev\.1, bpm /)
  t.ok(existsSync(join(folder, 'mesh.pivotal')))
})

test('a list of pins that is not right is refused with the place', (t) => {
  const file = join(scratch(t), 'pins.yml')
  const refused = (text: string, message: RegExp): void => {
    writeFileSync(file, text)
    t.throws(() => pins(file), { message })
  }
  refused('bpm: 1.4.33', /must be a list/)
  refused('- {name: bpm, version: 1.4, url: u, digest: "sha1:00"}', /\[0\]\.version/)
  refused('- {name: bpm, version: 1.4.33, url: u, digest: "md5:00"}', /\[0\]\.digest/)
  t.end()
})

test('a pinned release is fetched once, and refused where it is another', async (t) => {
  const [source, kept] = [scratch(t), scratch(t)]
  const bytes = readFileSync(tarball(source, 'bpm', '1.0.0'))
  let asked = 0
  const server = createServer((request, response) => {
    asked++
    response.writeHead(request.url === '/gone' ? 404 : 200).end(bytes)
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const pin = { name: 'bpm', version: '1.0.0', url, digest }

  await t.rejects(pinnedRelease({ ...pin, digest: `sha1:${'0'.repeat(40)}` }, kept), { message: /has the sha1 .*, expected 0{40}/ })
  await t.rejects(pinnedRelease({ ...pin, url: `${url}/gone` }, kept), {
    message: /answers 404\. Put it there yourself: .*bpm-1\.0\.0\.tgz/,
  })
  t.same(readdirSync(kept), [])
  t.match(await pinnedRelease(pin, kept), { name: 'bpm', version: '1.0.0', path: join(kept, 'bpm-1.0.0.tgz') })
  await pinnedRelease(pin, kept)
  t.equal(asked, 3)
  await t.rejects(pinnedRelease({ ...pin, version: '2.0.0' }, kept), { message: /is bpm 1\.0\.0, not bpm 2\.0\.0/ })
})
