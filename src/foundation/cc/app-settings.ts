import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { App } from '../store/rows.ts'
import { appFor } from './apps.ts'
import { audit } from './audit.ts'
import { Body, parseBody } from './body.ts'
import { emptyList, linkOf, type Platform } from './context.ts'
import { appTarget } from './deletion.ts'
import { mergeEnvironment, vcapApplication } from './environment.ts'
import { environmentGroup } from './environment-groups.ts'
import { featureDisabled, notAuthorized, notFound } from './errors.ts'
import { featureEnabled } from './feature-flags.ts'
import type { WithGuid } from './replies.ts'

const EnvironmentUpdate = Body({ var: Type.Optional(Type.Unknown()) })
const FeatureUpdate = Body({ enabled: Type.Boolean() })

const features: Record<string, { description: string; of(app: App): boolean; change: keyof App['features'] }> = {
  ssh: { description: 'Enable SSHing into the app.', of: ({ features }) => features.ssh, change: 'ssh' },
  revisions: { description: 'Enable versioning of an application', of: ({ features }) => features.revisions, change: 'revisions' },
}

interface WithFeature {
  Params: { guid: string; name: string }
}

/** An app's environment variables and features. */
export function appSettingRoutes(api: FastifyInstance, { store }: Platform): void {
  api.get<WithGuid>('/v3/apps/:guid/environment_variables', (request) => {
    const app = appFor(store, request)
    if (!request.caller.access.may('readEnvironment', app.space)) throw notAuthorized()
    featureEnabled(store, 'space_developer_env_var_visibility')
    const link = linkOf(request)
    return { var: app.environment, links: { self: link(`/v3/apps/${app.guid}/environment_variables`), app: link(`/v3/apps/${app.guid}`) } }
  })

  api.patch<WithGuid>('/v3/apps/:guid/environment_variables', (request) => {
    const app = appFor(store, request, 'write')
    const environment = mergeEnvironment(parseBody(EnvironmentUpdate, request.body).var, app.environment)
    store.transaction(() => {
      store.apps.update(app.guid, { environment })
      audit(
        store,
        'audit.app.update',
        request.caller.actor,
        appTarget(app),
        { space: app.space },
        { request: { environment_variables: '[PRIVATE DATA HIDDEN]' } },
      )
    })
    const link = linkOf(request)
    return { var: environment, links: { self: link(`/v3/apps/${app.guid}/environment_variables`), app: link(`/v3/apps/${app.guid}`) } }
  })

  api.get<WithGuid>('/v3/apps/:guid/env', (request) => {
    const app = appFor(store, request)
    if (!request.caller.access.may('readEnvironment', app.space)) throw notAuthorized()
    store.transaction(() => audit(store, 'audit.app.environment.show', request.caller.actor, appTarget(app), { space: app.space }))
    return {
      staging_env_json: environmentGroup(store, 'staging'),
      running_env_json: environmentGroup(store, 'running'),
      environment_variables: app.environment,
      system_env_json: { VCAP_SERVICES: {} },
      application_env_json: { VCAP_APPLICATION: vcapApplication(store, request.caller.origins.cloudController, app) },
    }
  })

  const present = (app: App, name: string) => ({ name, description: features[name]!.description, enabled: features[name]!.of(app) })
  const known = (name: string) => {
    if (!Object.hasOwn(features, name)) throw notFound('Feature')
  }

  api.get<WithGuid>('/v3/apps/:guid/features', (request) => {
    const app = appFor(store, request)
    return { resources: Object.keys(features).map((name) => present(app, name)), pagination: emptyList(request)['pagination'] }
  })
  api.get<WithFeature>('/v3/apps/:guid/features/:name', (request) => {
    const app = appFor(store, request)
    known(request.params.name)
    return present(app, request.params.name)
  })
  api.patch<WithFeature>('/v3/apps/:guid/features/:name', (request) => {
    const app = appFor(store, request, 'write')
    known(request.params.name)
    const { enabled } = parseBody(FeatureUpdate, request.body)
    const key = features[request.params.name]!.change
    return present(
      store.transaction(() => store.apps.update(app.guid, { features: { ...app.features, [key]: enabled } })),
      request.params.name,
    )
  })

  api.get<WithGuid>('/v3/apps/:guid/ssh_enabled', (request) => {
    appFor(store, request)
    return { enabled: false, reason: 'Disabled globally' }
  })

  api.post<WithGuid>('/v3/apps/:guid/tasks', (request) => {
    appFor(store, request, 'write')
    throw featureDisabled('task_creation')
  })
}
