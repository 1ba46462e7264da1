import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { Apps } from '../cli/dev/apps.ts'
import type { Session, V3Resource } from '../cli/dev/session.ts'
import { messageOf, problem } from '../common/problem.ts'
import type { SmokeTestsConfig } from './config.ts'

export const RouterWrong = problem(
  'MESH_SMOKE_ROUTER_WRONG',
  502,
  (router: string, host: string, wanted: string, last: string, seconds: number) =>
    `${router}: GET http://${host}/ does not answer ${wanted} within ${seconds} s; last: ${last}`,
)

/** What is tested: pushes an app, reaches it over every router, unmaps it, sees it gone everywhere, and leaves nothing behind. */
export class SmokeTest {
  readonly #cc: Session
  readonly #config: SmokeTestsConfig
  readonly #say: (step: string) => void
  readonly #token = randomBytes(8).toString('hex')
  readonly #cleanups: { what: string; run: () => Promise<void> }[] = []

  constructor(cc: Session, config: SmokeTestsConfig, say: (step: string) => void) {
    this.#cc = cc
    this.#config = config
    this.#say = say
  }

  async run(): Promise<void> {
    try {
      await this.#test()
    } finally {
      await this.#cleanUp()
    }
  }

  async #test(): Promise<void> {
    const name = `smoke-${this.#token}`
    const host = `${name}.${this.#config.domain}`
    const apps = new Apps(this.#cc, (await this.#space()).guid)
    const app = await apps.push(
      { name, path: join(import.meta.dirname, 'app'), environment: { SMOKE_TOKEN: this.#token }, noRoute: true },
      (step) => this.#say(`${name}: ${step}`),
    )

    await apps.map(app, host)
    await this.#everywhere(host, 'the app', ({ status, body }) => status === 200 && body === this.#token)
    await apps.unmap(app, host)
    await this.#everywhere(host, '404 after its app was unmapped', ({ status }) => status === 404 || status === 503)
  }

  /** A space of its own, with which all that is in it is deleted; in an organization that is deleted too if it was not there. */
  async #space(): Promise<V3Resource> {
    const { organization: name } = this.#config
    const found = await this.#cc.find(`/v3/organizations?names=${encodeURIComponent(name)}`)
    const organization = found ?? (await this.#cc.post('/v3/organizations', { name }))
    if (!found) this.#cleanUpWith(`organization ${name}`, () => this.#cc.delete(`/v3/organizations/${organization.guid}`))
    const space = await this.#cc.post('/v3/spaces', {
      name: `smoke-${this.#token}`,
      relationships: { organization: { data: { guid: organization.guid } } },
    })
    this.#cleanUpWith(`space ${space.name}`, () => this.#cc.delete(`/v3/spaces/${space.guid}`))
    return space
  }

  /** Asks every router until its answer is right. */
  async #everywhere(host: string, wanted: string, right: (answer: { status: number; body: string }) => boolean): Promise<void> {
    await Promise.all(this.#config.routers.map((router) => this.#until(router, host, wanted, right)))
    this.#say(`${host}: ${wanted}, at all ${this.#config.routers.length} routers`)
  }

  async #until(router: string, host: string, wanted: string, right: (answer: { status: number; body: string }) => boolean): Promise<void> {
    const { timeout } = this.#config
    let last = 'nothing'
    for (const end = Date.now() + timeout; Date.now() < end; await delay(200)) {
      try {
        const answer = await request(`http://${router}/`, { headers: { host }, headersTimeout: 5_000, bodyTimeout: 5_000 })
        const body = await answer.body.text()
        if (right({ status: answer.statusCode, body })) return
        last = `${answer.statusCode} ${body.slice(0, 200)}`
      } catch (error) {
        last = messageOf(error)
      }
    }
    throw RouterWrong(router, host, wanted, last, timeout / 1000)
  }

  #cleanUpWith(what: string, run: () => Promise<void>): void {
    this.#cleanups.push({ what, run })
  }

  async #cleanUp(): Promise<void> {
    for (const { what, run } of this.#cleanups.reverse()) {
      await run().catch((error: unknown) => this.#say(`${what} is left behind: ${messageOf(error)}`))
    }
  }
}
