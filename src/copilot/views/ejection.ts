import { Type, type Static } from 'typebox'
import { Ejection } from '../../common/ejection.ts'
import { systemNamespace } from '../../mesh/istio/kinds.ts'
import { readClusterName, readServiceId } from '../../mesh/rules/cluster-name.ts'
import type { ReportedRouter } from '../components.ts'
import type { Store } from '../store/store.ts'
import { Related, unique } from './related.ts'
import { Named, owner } from './schemas.ts'

const { cluster: _cluster, ...told } = Ejection.properties

export const EjectionView = Type.Object({
  ...told,
  router: Type.String(),
  route: Type.Optional(Type.String({ description: 'HOST or HOST/PATH whose requests it is left out of' })),
  service: Type.Optional(
    Type.String({ description: 'Where it is no route that sends there: the name of the apps, or the host of a ServiceEntry' }),
  ),
  subset: Type.Optional(Type.String()),
  app: Type.Optional(Named),
  index: Type.Optional(Type.Integer({ description: 'Of the instance' })),
  space: Type.Optional(owner.space),
  organization: owner.organization,
})
export type EjectionView = Static<typeof EjectionView>

/** Shows what routers report of ejections to somebody who sees `spaces`, or everything; of one app, where `apps` says so. */
export async function showEjections(
  store: Store,
  routers: ReportedRouter[],
  { spaces, apps }: { spaces?: string[]; apps?: string[] },
): Promise<EjectionView[]> {
  const all = routers.flatMap(({ name: router, ejections = [] }) =>
    ejections.map((ejection) => ({ router, ejection, ...ownerOf(ejection.cluster) })),
  )
  const related = new Related(store)
  const routes = await related.add('route', { keys: unique(all.flatMap(({ routeKey: key }) => key ?? [])) })
  const spaceOf = new Map(routes.map(({ key, value }) => [key, value.space]))
  const seen = all.flatMap((one) => {
    const space = one.space ?? spaceOf.get(one.routeKey ?? '')
    return spaces && !(space && spaces.includes(space)) ? [] : [{ ...one, space }]
  })
  const instances = await related.add('instance', { keys: unique(seen.map(({ ejection }) => ejection.instance)) })
  const processes = await related.add('process', { keys: unique(instances.map(({ value }) => value.process)) })
  await related.add('app', { keys: unique(processes.map(({ value }) => value.app)) })
  await related.addSpaces(seen.flatMap(({ space }) => (space && space !== systemNamespace ? [space] : [])))
  return seen.flatMap(({ router, ejection: { cluster: _cluster, ...ejection }, route, service, subset, space }) => {
    const instance = related.get('instance', ejection.instance)
    const app = instance && related.get('process', instance.process)?.app
    if (apps && !(app && apps.includes(app))) return []
    return [
      {
        ...ejection,
        router,
        ...(route === undefined ? {} : { route }),
        ...(service === undefined ? {} : { service }),
        ...(subset === undefined ? {} : { subset }),
        ...(app === undefined ? {} : { app: related.named('app', app) }),
        ...(instance && { index: instance.index }),
        ...(space === undefined ? {} : related.owner(space)),
      },
    ]
  })
}

/** What a cluster's name says: the route, or the service and its space. */
function ownerOf(cluster: string): { routeKey?: string; route?: string; service?: string; subset?: string; space?: string } {
  const { service, subset } = readClusterName(cluster)
  const of = readServiceId(service)
  const named = subset === undefined ? {} : { subset }
  if (of.kind === 'apps') return { ...named, service: of.name, space: of.space }
  if (of.kind === 'entry') return { ...named, service: of.host, space: of.namespace }
  return { ...named, routeKey: of.route, route: of.route.slice(of.route.indexOf('/') + 1) }
}
