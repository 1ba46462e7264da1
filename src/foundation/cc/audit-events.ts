import type { FastifyInstance } from 'fastify'
import type { AuditEvent } from '../store/rows.ts'
import { answerList, head, linkOf, type Link, type Platform } from './context.ts'
import { notFound } from './errors.ts'
import type { ListShape } from './list.ts'
import type { WithGuid } from './replies.ts'

const eventList: ListShape<AuditEvent, 'target'> = {
  filters: {
    types: ({ type }) => type,
    target_guids: 'target',
    space_guids: ({ space }) => space ?? undefined,
    organization_guids: ({ organization }) => organization ?? undefined,
  },
  matches: { 'target_guids[not]': ({ target }, guids) => !guids.includes(target.guid) },
}

function presentEvent(event: AuditEvent, link: Link): Record<string, unknown> {
  return {
    ...head(event),
    type: event.type,
    actor: event.actor,
    target: event.target,
    data: event.data,
    space: event.space && { guid: event.space },
    organization: event.organization && { guid: event.organization },
    links: { self: link(`/v3/audit_events/${event.guid}`) },
  }
}

export function auditEventRoutes(api: FastifyInstance, { store }: Platform): void {
  api.get('/v3/audit_events', (request) => {
    const { access } = request.caller
    return answerList(request, {
      table: store.events,
      shape: eventList,
      visible: access.readsGlobally ? undefined : (event: AuditEvent) => access.mayReadEvent(event),
      present: presentEvent,
    })
  })

  api.get<WithGuid>('/v3/audit_events/:guid', (request) => {
    const event = store.events.get(request.params.guid)
    if (!event || !request.caller.access.mayReadEvent(event)) throw notFound('Event')
    return presentEvent(event, linkOf(request))
  })
}
