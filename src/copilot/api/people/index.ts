import type { Part } from '../../../common/lifecycle.ts'
import { readTls } from '../../../common/tls.ts'
import type { Copilot } from '../../copilot.ts'
import { served } from '../part.ts'
import { createApi, type Api } from '../server.ts'
import { apps } from './apps.ts'
import { loopbackGuard, tokenGuard } from './auth.ts'
import { componentList } from './components.ts'
import { instances } from './instances.ts'
import { routers } from './routers.ts'
import { routes } from './routes.ts'
import { services } from './services.ts'
import { status } from './status.ts'
import { identify } from '../../people/caller.ts'
import { resources } from '../../resources/api.ts'
import { secrets } from '../../secrets/api.ts'
import { sync } from './sync.ts'
import { trace } from './trace.ts'

/** What people use, and meshctl and the console for them. */
export async function peopleApi(copilot: Copilot): Promise<Part> {
  const { config, log, measured } = copilot
  const { listen, tls, uaa } = config.api
  // Nobody is asked for a certificate, so no CA is needed.
  const files = tls && { ...tls, ca: tls.certificate }
  const api = await createApi({ log, title: 'copilot', https: files && readTls(files), bodyLimit: config.limits.bodyBytes })
  measured(api)
  const guard = uaa ? tokenGuard(uaa) : loopbackGuard
  api.addHook('onRequest', async (request) => identify(request, await guard(request)))
  await api.register(async (scope: Api) => {
    for (const add of [status, routes, trace, services, apps, instances, componentList, routers, sync, resources, secrets]) add(scope, copilot)
  })
  return served('api', api, { listen, tls: files })
}
