import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { create as pack } from 'tar'
import { createLogger } from '../../../src/common/log.ts'
import { createAuthority, issueCertificate, type KeyPair } from '../../../src/common/pki.ts'
import type { DesiredProcess } from '../../../src/foundation/diego.ts'
import { createDiego, type DiegoOptions, type EmbeddedDiego } from '../../../src/foundation/diego/index.ts'

/** One authority for BBS and routers, and another that nobody trusts. */
export const authority = createAuthority('test')
export const stranger = createAuthority('stranger')

const material = (ca: KeyPair, name: string) => {
  const { certificate, key } = issueCertificate(ca, { commonName: name, dns: [name], ips: ['127.0.0.1'] })
  return { cert: Buffer.from(certificate), key: Buffer.from(key), ca: Buffer.from(authority.certificate) }
}
export const server = material(authority, 'bbs.service.cf.internal')
export const client = material(authority, 'route-syncer.service.cf.internal')
export const router = material(authority, 'gorouter.service.cf.internal')
export const unknownClient = material(stranger, 'gorouter.service.cf.internal')

export interface Foundation {
  diego: EmbeddedDiego
  dataDir: string
  /** Makes a droplet of the given files. */
  droplet: (files: Record<string, string>) => Promise<string>
}

const dropletFile = (dataDir: string, guid: string): string => join(dataDir, 'droplets', `${guid}.tgz`)

/** A Diego that is not started, quick about restarts. */
export function diegoIn(dataDir: string, options: Partial<DiegoOptions> = {}): EmbeddedDiego {
  return createDiego({
    dataDir,
    dropletFile: (guid) => dropletFile(dataDir, guid),
    bbs: { listen: { host: '127.0.0.1', port: 0 }, tls: server },
    routerCa: authority.certificate,
    restart: { minDelayMs: 200, maxDelayMs: 400 },
    startupCheckIntervalMs: 20,
    stopGraceMs: 2000,
    log: createLogger('diego', 'silent'),
    ...options,
  })
}

/** A Diego of its own that is stopped and removed after the test. */
export async function startDiego(t: Test, options: Partial<DiegoOptions> = {}): Promise<Foundation> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'diego-test-')))
  const diego = diegoIn(dataDir, options)
  t.teardown(async () => {
    await diego.stop()
    await rm(dataDir, { recursive: true, force: true })
  })
  await diego.adopt()
  await diego.start()
  let droplets = 0
  return {
    diego,
    dataDir,
    async droplet(files) {
      const guid = `droplet-${++droplets}`
      const folder = await mkdtemp(join(dataDir, 'source-'))
      await mkdir(join(folder, 'app'))
      await writeFiles(join(folder, 'app'), files)
      await mkdir(join(dataDir, 'droplets'), { recursive: true })
      await pack({ gzip: true, file: dropletFile(dataDir, guid), cwd: folder }, ['app'])
      return guid
    },
  }
}

export async function writeFiles(folder: string, files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
}

/** A web process of one Node file, `app.js`. */
export function webProcess(processGuid: string, dropletGuid: string, changes: Partial<DesiredProcess> = {}): DesiredProcess {
  return {
    processGuid,
    appGuid: `app-of-${processGuid}`,
    appName: 'dora',
    spaceGuid: 'space-1',
    spaceName: 'dev',
    organizationGuid: 'org-1',
    organizationName: 'acme',
    cfProcessGuid: 'process-1',
    type: 'web',
    instances: 1,
    memoryMb: 64,
    diskMb: 64,
    command: 'node app.js',
    dropletGuid,
    environment: {},
    ports: [8080],
    healthCheck: { type: 'port' },
    routes: [],
    internalRoutes: [],
    ...changes,
  }
}

/** Waits until `condition` gives something, and returns it. */
export async function eventually<Result>(
  what: string,
  condition: () => Result | Promise<Result>,
  timeout = 15_000,
): Promise<NonNullable<Exclude<Result, false>>> {
  const deadline = Date.now() + timeout
  for (;;) {
    const result = await condition()
    if (result) return result as NonNullable<Exclude<Result, false>>
    if (Date.now() > deadline) throw new Error(`not within ${timeout} ms: ${what}`)
    await delay(20)
  }
}
