import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Account, User } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { Body, parseBody } from './body.ts'
import { answerList, finishedJob, head, linkOf, type Link, type ListOptions, type Platform } from './context.ts'
import { notFound, unprocessable } from './errors.ts'
import type { ListShape } from './list.ts'
import { mergeMetadata, MetadataField } from './metadata.ts'
import { accepted, type WithGuid } from './replies.ts'

const UserCreate = Body({
  guid: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  username: Type.Optional(Type.String({ minLength: 1 })),
  origin: Type.Optional(Type.String({ minLength: 1 })),
  metadata: MetadataField,
})
const UserUpdate = Body({ metadata: MetadataField })

const shape: ListShape<User, 'username'> = {
  filters: { usernames: ({ username }) => username ?? undefined, origins: ({ origin }) => origin ?? undefined },
  matches: { partial_usernames: ({ username }, parts) => parts.some((part) => username?.toLowerCase().includes(part.toLowerCase())) },
  labels: true,
}

export function presentUser(user: User, link: Link): Record<string, unknown> {
  return {
    ...head(user),
    username: user.username,
    presentation_name: user.username ?? user.guid,
    origin: user.origin,
    metadata: { labels: user.labels, annotations: user.annotations },
    links: { self: link(`/v3/users/${encodeURIComponent(user.guid)}`) },
  }
}

/** How users are listed. */
export function userList(store: Store): ListOptions<User, 'username'> {
  return { table: store.users, shape, present: presentUser }
}

/** Cloud Controller's row for an account of UAA; made where there is none, as part of the running transaction. */
export function userOf(store: Store, { guid, userName, origin }: Account): User {
  return store.users.get(guid) ?? store.users.insert({ guid, username: userName, origin, labels: {}, annotations: {} })
}

export function userRoutes(api: FastifyInstance, { store }: Platform): void {
  api.get('/v3/users', (request) => {
    const { access } = request.caller
    return answerList(request, { ...userList(store), visible: ({ guid }) => access.mayReadUser(guid) })
  })

  api.get<WithGuid>('/v3/users/:guid', (request) => {
    const user = store.users.get(request.params.guid)
    if (!user || !request.caller.access.mayReadUser(user.guid)) throw notFound('User')
    return presentUser(user, linkOf(request))
  })

  api.post('/v3/users', (request, reply) => {
    request.caller.access.requireAdmin()
    const { guid, username, origin, metadata } = parseBody(UserCreate, request.body)
    if (guid === undefined && (username === undefined || origin === undefined))
      throw unprocessable("Guid or 'username' and 'origin' must be provided")
    if (guid !== undefined && username !== undefined) throw unprocessable("Username cannot be provided with 'guid'")
    if (guid !== undefined && origin !== undefined) throw unprocessable("Origin cannot be provided with 'guid'")
    if (origin === 'uaa') throw unprocessable("Origin cannot be 'uaa' when creating a user by username")
    const account = guid === undefined ? accountNamed(store, username!, origin) : store.accounts.get(guid)
    const merged = mergeMetadata(metadata)
    if (guid !== undefined && store.users.get(guid)) throw unprocessable(`User with guid '${guid}' already exists.`)
    const user = store.transaction(() => {
      const fields = { username: account?.userName ?? username ?? null, origin: account?.origin ?? origin ?? null, ...merged }
      return store.users.insert({ ...(guid === undefined ? account && { guid: account.guid } : { guid }), ...fields })
    })
    return reply.code(201).send(presentUser(user, linkOf(request)))
  })

  api.patch<WithGuid>('/v3/users/:guid', (request) => {
    const user = store.users.get(request.params.guid)
    if (!user || !request.caller.access.mayReadUser(user.guid)) throw notFound('User')
    request.caller.access.requireAdmin()
    const merged = mergeMetadata(parseBody(UserUpdate, request.body).metadata, user)
    return presentUser(
      store.transaction(() => store.users.update(user.guid, merged)),
      linkOf(request),
    )
  })

  api.delete<WithGuid>('/v3/users/:guid', (request, reply) => {
    const user = store.users.get(request.params.guid)
    if (!user || !request.caller.access.mayReadUser(user.guid)) throw notFound('User')
    request.caller.access.requireAdmin()
    const job = store.transaction(() => {
      for (const role of store.roles.by('user', user.guid)) store.roles.remove(role.guid)
      store.users.remove(user.guid)
      return finishedJob(store, 'user.delete')
    })
    return accepted(request, reply, job)
  })
}

/** The account with that name, and of that origin if one is given. */
export function accountNamed(store: Store, username: string, origin?: string): Account | undefined {
  return store.accounts.by('userName', username.toLowerCase()).find((account) => origin === undefined || account.origin === origin)
}
