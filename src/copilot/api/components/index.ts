import type { Part } from '../../../common/lifecycle.ts'
import { readTls } from '../../../common/tls.ts'
import type { Copilot } from '../../copilot.ts'
import { served } from '../part.ts'
import { createApi, type Api } from '../server.ts'
import { reports } from './reports.ts'
import { secretContent } from './secrets.ts'
import { sources } from './sources.ts'
import { watch } from './watch.ts'

/** What components use, over mutual TLS: contracts 1 and 2 of docs/architecture.md. */
export async function componentApi({ config, log, store, secrets, components, watchers, measured }: Copilot): Promise<Part> {
  const { listen, tls, clients, limits } = config
  const stall = limits.stallSeconds * 1000
  const api = await createApi({
    log,
    title: 'copilot, for components',
    https: { ...readTls(tls), requestCert: true, rejectUnauthorized: true },
    bodyLimit: limits.bodyBytes,
  })
  measured(api)
  await api.register(async (scope: Api) => sources(scope, { store, clients, limits: { ...limits, stall }, signal: watchers.signal }))
  await api.register(async (scope: Api) => watch(scope, { store, clients, watchers, stall, log }))
  await api.register(async (scope: Api) => reports(scope, { components, clients }))
  await api.register(async (scope: Api) => secretContent(scope, { secrets, clients }))
  return served('component api', api, { listen, tls, ending: () => watchers.end() })
}
