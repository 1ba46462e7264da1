import type { Directory } from '../istio/services.ts'
import type { ServiceEntry } from '../istio/types.ts'
import type { App } from '../records.ts'
import type { Source } from './source.ts'
import { name } from './names.ts'

/** The model as the place where names of services are looked up; what is read is what `view` notes. */
export function directoryOf(view: Source): Directory {
  const spaceOf: Directory['space'] = (guid) => {
    const space = view.get('space', guid)
    return space && { name: space.name, organization: view.get('organization', space.organization)?.name ?? '' }
  }
  return {
    routesOfHost: (host) => [...view.keysOf(name.host(host))].flatMap((key) => view.get('route', key) ?? []),
    routesOfApp: (guid) => [...view.keysOf(name.destination(guid))].flatMap((key) => view.get('route', key) ?? []),
    app: (guid) => view.get('app', guid),
    appsCalled: (space, called) =>
      [...view.keysOf(name.service(space, called))].flatMap((guid): [string, App][] => {
        const app = view.get('app', guid)
        return app ? [[guid, app]] : []
      }),
    space: spaceOf,
    spacesNamed: (called, organization) =>
      [...view.keysOf(name.spaces(called))].filter(
        (guid) => organization === undefined || spaceOf(guid)?.organization.toLowerCase() === organization,
      ),
    serviceEntries: (host) =>
      [...view.keysOf(name.resources('ServiceEntry', host))]
        .flatMap((key) => view.get('resource', key) ?? [])
        .filter((one): one is ServiceEntry => one.kind === 'ServiceEntry'),
  }
}
