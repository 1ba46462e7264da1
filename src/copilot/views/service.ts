import { Type, type Static } from 'typebox'
import type { Keyed, Store } from '../store/store.ts'
import { Related, unique } from './related.ts'
import { Labels, owner } from './schemas.ts'

export const ServiceView = Type.Object({
  name: Type.String({ description: 'As mesh rules of its own space name it' }),
  fullName: Type.Optional(
    Type.String({ description: 'NAME.SPACE.ORGANIZATION, as all rules can name it; absent until these names are known' }),
  ),
  ...owner,
  apps: Type.Array(Type.Object({ guid: Type.String(), name: Type.String(), labels: Labels, instances: Type.Integer() })),
  hosts: Type.Array(Type.String(), { description: 'Hosts and paths of routes that send to it; each host is a service as well' }),
  instances: Type.Integer({ description: 'Instances of the apps that are running and wanted' }),
})
export type ServiceView = Static<typeof ServiceView>

/**
 * The services of a space by name: the apps with the label `app` of that value together, or an app without this label by its
 * own name. (An app with the label can be named by its own name too, unless another has that as its label.)
 */
export function groupApps(apps: Keyed<'app'>[]): Map<string, Keyed<'app'>[]> {
  const groups = Map.groupBy(apps, ({ value }) => value.labels['app'] ?? value.name)
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Shows services, each a name in a space with its apps. */
export async function showServices(
  store: Store,
  services: { name: string; space: string; apps: Keyed<'app'>[] }[],
): Promise<ServiceView[]> {
  const related = new Related(store)
  const apps = unique(services.flatMap((service) => service.apps.map(({ key }) => key)))
  await related.addSpaces(services.map(({ space }) => space))
  const counts = await instancesByApp(store, apps)
  const routes = await store.list('route', { app: apps })

  return services.map(({ name, space, apps }) => {
    const owner = related.owner(space)
    const guids = new Set(apps.map(({ key }) => key))
    const shown = apps.map(({ key, value }) => ({ guid: key, name: value.name, labels: value.labels, instances: counts.get(key) ?? 0 }))
    return {
      name,
      ...(owner.space.name && owner.organization?.name && { fullName: `${name}.${owner.space.name}.${owner.organization.name}` }),
      ...owner,
      apps: shown,
      hosts: routes
        .filter(({ value }) => value.destinations.some(({ app }) => guids.has(app)))
        .map(({ value }) => `${value.host}${value.path}`),
      instances: shown.reduce((sum, { instances }) => sum + instances, 0),
    }
  })
}

/** How many instances of each app are running and wanted. */
async function instancesByApp(store: Store, apps: string[]): Promise<Map<string, number>> {
  const processes = new Map((await store.list('process', { app: apps })).map(({ key, value }) => [key, value]))
  const counts = new Map<string, number>()
  for (const { value } of await store.list('instance', { process: [...processes.keys()] })) {
    const { app, instances } = processes.get(value.process)!
    if (value.index < instances) counts.set(app, (counts.get(app) ?? 0) + 1)
  }
  return counts
}
