import type { Part } from '../../../common/lifecycle.ts'
import { readTls } from '../../../common/tls.ts'
import type { Copilot } from '../../copilot.ts'
import { served } from '../part.ts'
import { BodyTooDeep } from '../../problems.ts'
import { createApi, type Api } from '../server.ts'
import { apps } from './apps.ts'
import { loopbackGuard, tokenGuard } from './auth.ts'
import { componentList } from './components.ts'
import { ejections } from './ejections.ts'
import { info } from './info.ts'
import { instances } from './instances.ts'
import { routers } from './routers.ts'
import { routes } from './routes.ts'
import { services } from './services.ts'
import { status } from './status.ts'
import { callerOf, identify, isIdentified } from '../../people/caller.ts'
import { resources } from '../../resources/api.ts'
import { resourceList } from '../../resources/list.ts'
import { secrets } from '../../secrets/api.ts'
import { switches } from './switches.ts'
import { sync } from './sync.ts'
import { trace } from './trace.ts'
import { nameSpaces } from '../../views/space-names.ts'

/** How deep a body may be nested; resources are some twenty levels deep. */
const deepest = 200

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}

/** What people use, and meshctl and the console for them. */
export async function peopleApi(copilot: Copilot): Promise<Part> {
  const { config, log, measured } = copilot
  const { listen, tls, uaa, cloudController } = config.api
  // Nobody is asked for a certificate, so no CA is needed.
  const files = tls && { ...tls, ca: tls.certificate }
  const api = await createApi({
    log,
    title: 'copilot',
    https: files && readTls(files),
    bodyLimit: config.limits.bodyBytes,
    tokens: uaa !== undefined,
  })
  measured(api)
  const guard = uaa ? tokenGuard(uaa, cloudController, copilot.store) : loopbackGuard
  await api.register(async (scope: Api) => info(scope, copilot))
  await api.register(async (scope: Api) => {
    scope.addHook('onRequest', async (request) => identify(request, await guard(request)))
    // What people send is walked through by functions that call themselves.
    scope.addHook('preValidation', async ({ body }) => {
      if (isDeeper(body, deepest)) throw BodyTooDeep(deepest)
    })
    scope.addHook('preSerialization', async (request, _reply, answer) =>
      isIdentified(request) ? nameSpaces(copilot.store, answer, callerOf(request)) : answer,
    )
    for (const add of [
      status,
      routes,
      trace,
      services,
      apps,
      instances,
      componentList,
      routers,
      ejections,
      sync,
      switches,
      resourceList,
      resources,
      secrets,
    ])
      add(scope, copilot)
  })
  return served('api', api, { listen, tls: files })
}
