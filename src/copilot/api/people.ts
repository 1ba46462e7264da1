import type { Part } from '../../common/lifecycle.ts'
import type { Copilot } from '../copilot.ts'
import { served } from './part.ts'
import { createApi, type Api } from './server.ts'
import { status } from './status.ts'

/** What people use, and meshctl and the console for them. */
export async function peopleApi(copilot: Copilot): Promise<Part> {
  const { config, log, measured } = copilot
  const api = await createApi({ log, title: 'copilot', bodyLimit: config.limits.bodyBytes })
  measured(api)
  await api.register(async (scope: Api) => status(scope, copilot))
  return served('api', api, config.api.listen)
}
