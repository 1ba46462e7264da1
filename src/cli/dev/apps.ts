import { problem } from '../../common/problem.ts'
import { JobFailed, type Session, type V3Resource } from './session.ts'
import { zipFolder } from './package.ts'

export const NotFound = problem('MESHCTL_NOT_FOUND', 404, (kind: string, name: string) => `there is no ${kind} ${name}`)

export interface PushOptions {
  name: string
  /** Folder with the app's files. */
  path: string
  instances?: number
  command?: string
  environment?: Record<string, string>
  labels?: Record<string, string>
  /** Routes as `host.domain[/path]`; absent for `NAME.` on the first shared domain. */
  routes?: string[]
  noRoute?: boolean
}

/** What a person does with apps in one space, over V3: the steps of `cf push` and its neighbours. */
export class Apps {
  readonly #cc: Session
  readonly #space: string

  constructor(cc: Session, spaceGuid: string) {
    this.#cc = cc
    this.#space = spaceGuid
  }

  list(): Promise<V3Resource[]> {
    return this.#cc.list(`/v3/apps?order_by=name&per_page=5000&space_guids=${this.#space}`)
  }

  /** The app of that name; throws `MESHCTL_NOT_FOUND`. */
  async get(name: string): Promise<V3Resource> {
    const app = await this.#find(name)
    if (!app) throw NotFound('app', name)
    return app
  }

  /** Uploads, stages and starts an app. `progress` is told each step. */
  async push(options: PushOptions, progress: (step: string) => void): Promise<V3Resource> {
    progress(`zipping ${options.path}`)
    const bits = await zipFolder(options.path)
    const app = await this.#createOrUpdate(options)
    // Before staging, which needs no buildpack that knows an app with a command.
    if (options.command !== undefined) await this.#cc.patch(`/v3/processes/${await this.#web(app)}`, { command: options.command })
    if (options.instances !== undefined) await this.scale(app, options.instances)
    if (!options.noRoute) for (const route of options.routes ?? [await this.#defaultRoute(options.name)]) await this.map(app, route)
    await this.deploy(app, bits, progress)
    await this.running(app)
    return app
  }

  /** Has Cloud Controller make the space's apps, processes and routes what a manifest (YAML) says; all of it or nothing. */
  async applyManifest(manifest: string): Promise<void> {
    await this.#cc.post(`/v3/spaces/${this.#space}/actions/apply_manifest`, Buffer.from(manifest), 'application/x-yaml')
  }

  /** Uploads and stages an app's files, and starts it with them, anew where it runs. Does not wait for its instances. */
  async deploy(app: V3Resource, bits: Buffer, progress: (step: string) => void): Promise<void> {
    progress(`uploading ${bits.length} bytes`)
    const droplet = await this.#stage(app, bits, progress)
    await this.#cc.patch(`/v3/apps/${app.guid}/relationships/current_droplet`, { data: { guid: droplet } })
    progress('starting')
    await this.#cc.post(`/v3/apps/${app.guid}/actions/${app.state === 'STARTED' ? 'restart' : 'start'}`)
  }

  /** Waits until every wanted web instance runs. */
  async running(app: V3Resource): Promise<void> {
    const process = await this.#web(app)
    await this.#cc.poll(`/v3/processes/${process}/stats`, `starting ${app.name}`, (stats) => {
      const instances = stats['resources'] as V3Resource[]
      if (instances.some(({ state }) => state === 'CRASHED'))
        throw JobFailed(`starting ${app.name}`, `an instance crashed; see meshctl dev logs ${app.name}`)
      return instances.every(({ state }) => state === 'RUNNING')
    })
  }

  async scale(app: V3Resource, instances: number): Promise<void> {
    await this.#cc.post(`/v3/apps/${app.guid}/processes/web/actions/scale`, { instances })
  }

  async stop(app: V3Resource): Promise<void> {
    await this.#cc.post(`/v3/apps/${app.guid}/actions/stop`)
  }

  async start(app: V3Resource): Promise<void> {
    await this.#cc.post(`/v3/apps/${app.guid}/actions/start`)
    await this.running(app)
  }

  /** Deletes an app and the routes that only it has. */
  async delete(app: V3Resource): Promise<void> {
    const routes = await this.#cc.list(`/v3/apps/${app.guid}/routes`)
    await this.#cc.delete(`/v3/apps/${app.guid}`)
    for (const route of routes) if ((route['destinations'] as unknown[]).length === 1) await this.#cc.delete(`/v3/routes/${route.guid}`)
  }

  /** Maps `host.domain[/path]` to an app, making the route where it is new. */
  async map(app: V3Resource, url: string): Promise<void> {
    const route = (await this.#route(url)) ?? (await this.#createRoute(url))
    await this.#cc.post(`/v3/routes/${route.guid}/destinations`, { destinations: [{ app: { guid: app.guid } }] })
  }

  /** Takes an app away from a route; throws `MESHCTL_NOT_FOUND` where it was not mapped. */
  async unmap(app: V3Resource, url: string): Promise<void> {
    const route = await this.#route(url)
    const destinations = (route?.['destinations'] ?? []) as { guid: string; app: { guid: string } }[]
    const destination = destinations.find((candidate) => candidate.app.guid === app.guid)
    if (!route || !destination) throw NotFound(`route of ${app.name} at`, url)
    await this.#cc.delete(`/v3/routes/${route.guid}/destinations/${destination.guid}`)
  }

  /** Each web process's routes and instance states, for a table. */
  async summary(app: V3Resource): Promise<{ routes: string[]; running: number; wanted: number }> {
    const routes = await this.#cc.list(`/v3/apps/${app.guid}/routes`)
    const stats = (await this.#cc.get(`/v3/processes/${await this.#web(app)}/stats`))['resources'] as V3Resource[]
    const up = app.state === 'STARTED'
    return {
      routes: routes.map((route) => String(route['url'])),
      running: stats.filter(({ state }) => state === 'RUNNING').length,
      wanted: up ? stats.length : 0,
    }
  }

  #find(name: string): Promise<V3Resource | undefined> {
    return this.#cc.find(`/v3/apps?names=${encodeURIComponent(name)}&space_guids=${this.#space}`)
  }

  async #createOrUpdate({ name, environment, labels }: PushOptions): Promise<V3Resource> {
    const metadata = labels && { metadata: { labels } }
    const existing = await this.#find(name)
    const app = existing
      ? await this.#cc.patch(`/v3/apps/${existing.guid}`, { name, ...metadata })
      : await this.#cc.post('/v3/apps', { name, relationships: { space: { data: { guid: this.#space } } }, ...metadata })
    if (environment) await this.#cc.patch(`/v3/apps/${app.guid}/environment_variables`, { var: environment })
    return app
  }

  /** Uploads the bits and stages them; answers the droplet's guid. */
  async #stage(app: V3Resource, bits: Buffer, progress: (step: string) => void): Promise<string> {
    const bitsPackage = await this.#cc.post('/v3/packages', { type: 'bits', relationships: { app: { data: { guid: app.guid } } } })
    await this.#cc.upload(`/v3/packages/${bitsPackage.guid}/upload`, bits)
    await this.#cc.poll(`/v3/packages/${bitsPackage.guid}`, 'upload', ({ state }) => state === 'READY')
    progress('staging')
    const started = await this.#cc.post('/v3/builds', { package: { guid: bitsPackage.guid } })
    const build = await this.#cc.poll(`/v3/builds/${started.guid}`, 'staging', ({ state }) => state !== 'STAGING')
    if (build.state !== 'STAGED') throw JobFailed('staging', `${String(build['error'])}; see meshctl dev logs ${app.name}`)
    return (build['droplet'] as { guid: string }).guid
  }

  async #web(app: V3Resource): Promise<string> {
    return (await this.#cc.get(`/v3/apps/${app.guid}/processes/web`)).guid
  }

  async #defaultRoute(name: string): Promise<string> {
    const domains = await this.#cc.list('/v3/domains?per_page=5000')
    const domain = domains.find((candidate) => !candidate['internal'])
    if (!domain) throw NotFound('domain', 'for a default route; name one with --route')
    return `${name}.${domain.name}`
  }

  async #route(url: string): Promise<V3Resource | undefined> {
    const { host, domain, path } = await this.#parse(url)
    return this.#cc.find(`/v3/routes?domain_guids=${domain.guid}&hosts=${encodeURIComponent(host)}&paths=${encodeURIComponent(path)}`)
  }

  async #createRoute(url: string): Promise<V3Resource> {
    const { host, domain, path } = await this.#parse(url)
    return this.#cc.post('/v3/routes', {
      host,
      ...(path && { path }),
      relationships: { space: { data: { guid: this.#space } }, domain: { data: { guid: domain.guid } } },
    })
  }

  /** Splits `host.domain/path` at the longest domain that Cloud Controller knows. */
  async #parse(url: string): Promise<{ host: string; domain: V3Resource; path: string }> {
    const [, name = '', path = ''] = /^([^/]+)(\/.*)?$/.exec(url) ?? []
    const domains = await this.#cc.list('/v3/domains?per_page=5000')
    const fitting = domains.filter((domain) => name === domain.name || name.endsWith(`.${domain.name}`))
    const domain = fitting.sort((a, b) => String(b.name).length - String(a.name).length)[0]
    if (!domain) throw NotFound('domain for', url)
    return { host: name.slice(0, -String(domain.name).length).replace(/\.$/, ''), domain, path: path.replace(/\/+$/, '') }
  }
}
