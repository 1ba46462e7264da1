import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Space } from '../store/rows.ts'
import type { Access } from './access.ts'
import { audit } from './audit.ts'
import { Body, parseBody, ToMany } from './body.ts'
import { linkOf, toMany, type Platform } from './context.ts'
import { routeTarget } from './deletion.ts'
import { usableBy } from './domains.ts'
import { notAuthorized, unprocessable } from './errors.ts'
import { featureEnabled } from './feature-flags.ts'
import type { WithGuid } from './replies.ts'
import { routeFor, routeUrl } from './routes.ts'

const TransferOwner = Body({ data: Body({ guid: Type.String({ minLength: 1 }) }) })

/** Sharing a route with other spaces, and giving it to one. */
export function routeSharingRoutes(api: FastifyInstance, { store }: Platform): void {
  const path = '/v3/routes/:guid/relationships/shared_spaces'

  api.get<WithGuid>(path, (request) => {
    featureEnabled(store, 'route_sharing')
    const route = routeFor(store, request)
    return { ...toMany(route.sharedSpaces), links: { self: linkOf(request)(`/v3/routes/${route.guid}/relationships/shared_spaces`) } }
  })

  api.post<WithGuid>(path, (request) => {
    featureEnabled(store, 'route_sharing')
    const { access, actor } = request.caller
    const route = routeFor(store, request, true)
    const guids = parseBody(ToMany, request.body).data.map(({ guid }) => guid)
    const url = routeUrl(store, route)
    const unreadable = guids.filter((guid) => !store.spaces.get(guid) || !access.may('read', guid))
    const unwritable = guids.filter((guid) => !unreadable.includes(guid) && !access.may('write', guid))
    const quoted = (list: string[]) => list.map((guid) => `'${guid}'`).join(', ')
    const faults = [
      ...(unreadable.length
        ? [`Unable to share route ${url} with spaces [${quoted(unreadable)}]. Ensure the spaces exist and that you have access to them.`]
        : []),
      ...(unwritable.length
        ? [
            `Unable to share route ${url} with spaces [${quoted(unwritable)}]. Write permission is required in order to share a route with a space and the containing organization must not be suspended.`,
          ]
        : []),
    ]
    if (faults.length) throw unprocessable(faults.join('\n'))
    if (guids.includes(route.space))
      throw unprocessable(
        `Unable to share route '${url}' with space '${route.space}'. Routes cannot be shared into the space where they were created.`,
      )
    const sharedSpaces = [...new Set([...route.sharedSpaces, ...guids])]
    store.transaction(() => {
      store.routes.update(route.guid, { sharedSpaces }, { touch: false })
      audit(store, 'audit.route.share', actor, routeTarget(route), { space: route.space }, { target_space_guids: guids })
    })
    return { ...toMany(sharedSpaces), links: { self: linkOf(request)(`/v3/routes/${route.guid}/relationships/shared_spaces`) } }
  })

  api.delete<{ Params: { guid: string; space: string } }>(`${path}/:space`, (request, reply) => {
    featureEnabled(store, 'route_sharing')
    const { access, actor } = request.caller
    const route = routeFor(store, request, true)
    const guid = request.params.space
    const refused = inaccessible(access, store.spaces.get(guid))
    const intro = `Unable to unshare route '${routeUrl(store, route)}' from space '${guid}'.`
    if (refused) throw unprocessable(`${intro} ${refused}`)
    if (guid === route.space) throw unprocessable(`${intro} Routes cannot be removed from the space that owns them.`)
    store.transaction(() => {
      store.routes.update(route.guid, { sharedSpaces: route.sharedSpaces.filter((shared) => shared !== guid) }, { touch: false })
      audit(store, 'audit.route.unshare', actor, routeTarget(route), { space: route.space }, { target_space_guid: guid })
    })
    return reply.code(204).send()
  })

  api.patch<WithGuid>('/v3/routes/:guid/relationships/space', (request) => {
    featureEnabled(store, 'route_sharing')
    const { access, actor } = request.caller
    const { guid } = parseBody(TransferOwner, request.body).data
    const route = routeFor(store, request)
    if (!access.may('write', route.space)) throw notAuthorized()
    const target = store.spaces.get(guid)
    const intro = `Unable to transfer owner of route '${routeUrl(store, route)}' to space '${guid}'.`
    const refused = inaccessible(access, target)
    if (refused || !target) throw unprocessable(`${intro} ${refused}`)
    if (!usableBy(store.domains.get(route.domain)!, target.organization))
      throw unprocessable(`${intro} Target space does not have access to route's domain`)
    if (guid !== route.space) {
      store.transaction(() => {
        store.routes.update(route.guid, {
          space: guid,
          sharedSpaces: [...route.sharedSpaces.filter((shared) => shared !== guid), route.space],
        })
        audit(store, 'audit.route.transfer-owner', actor, routeTarget(route), { space: route.space }, { target_space_guid: guid })
      })
    }
    return { status: 'ok' }
  })
}

function inaccessible(access: Access, space: Space | undefined): string | undefined {
  if (!space || !access.may('read', space.guid)) return 'Ensure the space exists and that you have access to it.'
  return access.may('write', space.guid) ? undefined : "You don't have write permission for the target space."
}
