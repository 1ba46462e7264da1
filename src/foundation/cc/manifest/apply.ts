import { randomInt } from 'node:crypto'
import type { Actor, App, Process, Space } from '../../store/rows.ts'
import type { Store } from '../../store/store.ts'
import { createApp, stackName } from '../apps.ts'
import { audit } from '../audit.ts'
import { appTarget, routeTarget } from '../deletion.ts'
import { defaultPort, mapDestinations } from '../destinations.ts'
import { mergeEnvironment } from '../environment.ts'
import { notAuthorized, unprocessable } from '../errors.ts'
import { mergeMetadata } from '../metadata.ts'
import { insertProcess, processOf } from '../process-rows.ts'
import { scaledFields, updatedFields } from '../processes.ts'
import { mergeOptions } from '../route-options.ts'
import { createRoute, requireAllowed } from '../routes.ts'
import type { ManifestApp, ManifestProcess, ManifestRoute } from './parse.ts'

export interface ManifestContext {
  store: Store
  space: Space
  actor: Actor
  isAdmin: boolean
  systemDomain: string
}

/** Makes an app what its manifest says, as part of the running transaction. Throws Cloud Controller's errors. */
export function applyManifest(context: ManifestContext, manifest: ManifestApp): void {
  const { store, space, actor } = context
  if (manifest.services.length) throw unprocessable(`Service instance '${manifest.services[0]}' not found`)
  if (manifest.stack !== undefined && manifest.stack !== stackName) throw unprocessable('Stack must be an existing stack')
  const app = store.apps.by('name', manifest.name).find((candidate) => candidate.space === space.guid) ?? newApp(context, manifest)
  const environment = mergeEnvironment(manifest.env, app.environment)
  const metadata = mergeMetadata(manifest.metadata, app)
  const lifecycle = { ...app.lifecycle, ...(manifest.buildpacks && { buildpacks: manifest.buildpacks }) }
  const features = { ...app.features, ...pickFeatures(manifest.features) }
  store.apps.update(app.guid, { environment, lifecycle, features, ...metadata })
  for (const process of manifest.processes) applyProcess(store, app, process)
  audit(store, 'audit.app.apply_manifest', actor, appTarget(app), { space: space.guid }, { request: { manifest: manifest.name } })
  applyRoutes(context, store.apps.get(app.guid)!, manifest)
}

function newApp({ store, space, actor }: ManifestContext, { name }: ManifestApp): App {
  const app = createApp(store, { name, space: space.guid, environment: {}, labels: {}, annotations: {} })
  audit(store, 'audit.app.create', actor, appTarget(app), { space: space.guid }, { manifest_triggered: true, request: { name } })
  return app
}

function pickFeatures(features: Record<string, boolean> = {}): Partial<App['features']> {
  const unknown = Object.keys(features).filter((name) => !['ssh', 'revisions'].includes(name))
  if (unknown.length) throw unprocessable(`Features contains unsupported features: ${unknown.join(', ')}`)
  return features
}

function applyProcess(store: Store, app: App, { type, update, scale }: ManifestProcess): void {
  const held: Process = processOf(store, app.guid, type) ?? insertProcess(store, app, type)
  store.processes.update(held.guid, { ...updatedFields(held, update), ...scaledFields(held, scale) })
}

function applyRoutes(context: ManifestContext, app: App, { routing, routes }: ManifestApp): void {
  const { store, actor } = context
  const mapped = store.routes.by('app', app.guid)
  if (routing === 'none') {
    for (const route of mapped)
      mapDestinations(
        store,
        route,
        [],
        route.destinations.filter((destination) => destination.app === app.guid),
        actor,
        true,
      )
    return
  }
  if (routes) {
    for (const route of routes) mapRoute(context, app, route)
    return
  }
  if (!routing || mapped.length) return
  const domain = [...store.domains.values()].find(
    ({ organization, internal }) => !internal && (organization === null || organization === context.space.organization),
  )
  if (!domain) throw unprocessable('No default domains available')
  if (routing === 'default' && app.name.length > 63)
    throw unprocessable('Failed to create default route from app name: Host cannot exceed 63 characters')
  if (routing === 'default' && !/^[\w-]+$/.test(app.name)) {
    throw unprocessable(
      'Failed to create default route from app name: Host must be either "*" or contain only alphanumeric characters, "_", or "-"',
    )
  }
  const host = routing === 'random' ? `${app.name.toLowerCase().replaceAll(/[^\w-]+/g, '-')}-${randomWords()}` : app.name.toLowerCase()
  mapRoute(context, app, { route: `${host}.${domain.name}` })
}

function mapRoute(context: ManifestContext, app: App, { route: text, protocol = 'http1', options }: ManifestRoute): void {
  const { store, actor } = context
  try {
    const route = findOrCreate(context, text, options)
    const held = route.destinations.find((destination) => destination.app === app.guid && destination.type === 'web')
    if (held?.protocol === protocol) return
    if (!held && route.destinations.some(({ weight }) => weight !== null)) {
      throw unprocessable('Destinations cannot be inserted when there are weighted destinations already configured.')
    }
    const wanted = { app: app.guid, type: 'web', port: held?.port ?? defaultPort, protocol, weight: held?.weight ?? null }
    mapDestinations(store, route, [wanted], held ? [held] : [], actor, true)
  } catch (error) {
    if (error instanceof Error) error.message = `For route '${text}': ${error.message}`
    throw error
  }
}

function findOrCreate(context: ManifestContext, text: string, options: unknown) {
  const { store, space, actor, isAdmin, systemDomain } = context
  const [, fqdn = '', path = ''] = /^(?:https?:\/\/)?([^/]+)(\/.*)?$/i.exec(text) ?? []
  const name = fqdn.toLowerCase()
  const dot = name.indexOf('.')
  for (const [host, domainName] of [
    ['', name],
    [name.slice(0, dot), name.slice(dot + 1)],
  ] as const) {
    const domain = store.domains.first('name', domainName)
    if (!domain) continue
    const held = store.routes.by('host', host).find((route) => route.domain === domain.guid && route.path === path)
    if (!held) {
      if (host === '*' && !domain.organization && !isAdmin) throw notAuthorized()
      requireAllowed(store, { host, path, domain, space }, systemDomain)
      const route = createRoute(store, { host, path, domain, space }, { options: mergeOptions(options), labels: {}, annotations: {} })
      audit(store, 'audit.route.create', actor, routeTarget(route), { space: space.guid }, { manifest_triggered: true })
      return route
    }
    if (held.space !== space.guid && !held.sharedSpaces.includes(space.guid))
      throw unprocessable('Routes cannot be mapped to destinations in different spaces')
    return options === undefined ? held : store.routes.update(held.guid, { options: mergeOptions(options, held.options) })
  }
  throw unprocessable(`No domains exist for route ${text}`)
}

const adjectives = [
  'agile',
  'balanced',
  'bold',
  'brave',
  'bright',
  'calm',
  'chatty',
  'cheerful',
  'daring',
  'fluent',
  'grateful',
  'happy',
  'kind',
  'lean',
  'patient',
  'quick',
  'shiny',
  'smart',
  'sunny',
  'wise',
]
const nouns = [
  'antelope',
  'badger',
  'camel',
  'dingo',
  'eland',
  'falcon',
  'gazelle',
  'heron',
  'impala',
  'jackal',
  'koala',
  'lemur',
  'mongoose',
  'numbat',
  'oryx',
  'puffin',
  'quokka',
  'raven',
  'serval',
  'wombat',
]

function randomWords(): string {
  const letter = () => String.fromCharCode(97 + randomInt(26))
  return `${adjectives[randomInt(adjectives.length)]}-${nouns[randomInt(nouns.length)]}-${letter()}${letter()}`
}
