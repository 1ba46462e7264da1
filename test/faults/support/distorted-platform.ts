import { pino } from 'pino'
import type { Part } from '../../../src/common/lifecycle.ts'
import { readTls } from '../../../src/common/tls.ts'
import { Session } from '../../../src/cli/dev/session.ts'
import { loadRoutes } from '../../../src/foundation/bulk.ts'
import { BbsServer } from '../../../src/foundation/diego/bbs/server.ts'
import { createFoundation } from '../../../src/foundation/foundation.ts'
import { TestAuthority } from '../../support/pki.ts'
import { freePort } from '../../support/program.ts'
import { BbsProxy } from './bbs-proxy.ts'
import { CcProxy } from './cc-proxy.ts'
import { Cells, type CellsOptions } from './cells.ts'
import { meshDomain, type Platform } from './platform.ts'

export interface DistortedPlatformOptions {
  folder: string
  authority: TestAuthority
  identities: TestAuthority
  answer: CellsOptions['answer']
  /** Each app has one route `app-N` at first. */
  apps: number
  instances: number
}

/** The Cloud Foundry under which the mesh is tried: the foundation's Cloud Controller and BBS, our cells, and the proxies that lie. */
export class DistortedPlatform implements Platform {
  readonly cells: Cells
  readonly bbs: BbsProxy
  readonly cc: CcProxy
  /** As the administrator, past the proxy. */
  readonly session: Session
  readonly space: string
  readonly domain: string
  readonly #parts: Part[]

  private constructor(fields: Pick<DistortedPlatform, 'cells' | 'bbs' | 'cc' | 'session' | 'space' | 'domain'>, parts: Part[]) {
    this.cells = fields.cells
    this.bbs = fields.bbs
    this.cc = fields.cc
    this.session = fields.session
    this.space = fields.space
    this.domain = fields.domain
    this.#parts = parts
  }

  static async start({ folder, authority, identities, answer, apps, instances }: DistortedPlatformOptions): Promise<DistortedPlatform> {
    const host = '127.0.0.1'
    const log = pino({ level: 'fatal' })
    const cells = new Cells({ identities: identities.pair, routerCa: authority.pair.certificate, answer, grace: 2_000 })
    await cells.prepare()
    const tls = readTls(authority.issue('bbs'))
    const server = new BbsServer({ bbs: cells.bbs, listen: { host, port: 0 }, tls, log })
    const ccPort = await freePort()
    const foundation = await createFoundation({
      data: folder,
      cloudController: { http: { host, port: ccPort } },
      uaa: { http: { host, port: await freePort() } },
      logCache: { http: { host, port: await freePort() } },
      admin: { username: 'admin', password: 'admin' },
      clients: [{ id: 'syncer', secret: 'secret', authorities: ['cloud_controller.admin_read_only'] }],
      tokens: { accessSeconds: 86_400, refreshSeconds: 86_400 },
      systemDomain: 'sys.test',
      domains: [{ name: meshDomain, internal: false }],
      diego: cells,
      log,
    })
    const parts: Part[] = [...foundation.parts, server]
    for (const part of parts) await part.start()
    const session = await new Session({ api: `http://${host}:${ccPort}`, user: 'admin', password: 'admin' }).signIn()
    const organization = await session.post('/v3/organizations', { name: 'org' })
    const space = await session.post('/v3/spaces', {
      name: 'space',
      relationships: { organization: { data: { guid: organization.guid } } },
    })
    const domain = (await session.find(`/v3/domains?names=${meshDomain}`))!
    loadRoutes(foundation.store, { routes: apps, instances, space: space.guid, domain: domain.guid, host: (n) => `app-${n}` })
    await cells.settled()
    const bbs = await new BbsProxy(server.port, tls).listen()
    const cc = await new CcProxy(ccPort).listen()
    return new DistortedPlatform({ cells, bbs, cc, session, space: space.guid, domain: domain.guid }, parts)
  }

  async stop(): Promise<void> {
    await Promise.all([this.bbs.close(), this.cc.close(), this.session.close()])
    for (const part of this.#parts.toReversed()) await part.stop()
    await this.cells.stop()
  }
}
