import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Store } from '../store/store.ts'
import { Body, parseBody } from './body.ts'
import { linkOf, timestamp, type Link, type Platform } from './context.ts'
import { mergeEnvironment } from './environment.ts'
import { notFound } from './errors.ts'

const groups = ['running', 'staging'] as const
export type GroupName = (typeof groups)[number]

interface Group {
  variables: Record<string, string>
  changedAt: number
}

const GroupUpdate = Body({ var: Type.Optional(Type.Unknown()) })

const settingName = (name: GroupName): string => `environment_variable_group.${name}`

function group(store: Store, name: GroupName): Group | undefined {
  return store.settings.first('name', settingName(name))?.value as Group | undefined
}

/**
 * The variables that every app's processes (`running`), or their staging, find in their environment unless the app has its own of that
 * name.
 */
export function environmentGroup(store: Store, name: GroupName): Record<string, string> {
  return group(store, name)?.variables ?? {}
}

/** Changes variables of a group; null removes one. Apps see it when they start anew. Throws UnprocessableEntity. */
export function updateEnvironmentGroup(store: Store, name: GroupName, changes: unknown): void {
  const value: Group = { variables: mergeEnvironment(changes, environmentGroup(store, name)), changedAt: Date.now() }
  store.transaction(() => {
    const row = store.settings.first('name', settingName(name))
    if (row) store.settings.update(row.guid, { value })
    else store.settings.insert({ name: settingName(name), value })
  })
}

export function environmentGroupRoutes(api: FastifyInstance, { store }: Platform): void {
  const known = (name: string): GroupName => {
    const found = groups.find((one) => one === name)
    if (!found) throw notFound('Environment variable group')
    return found
  }
  const present = (name: GroupName, link: Link) => {
    const { variables = {}, changedAt } = group(store, name) ?? {}
    return {
      updated_at: changedAt === undefined ? null : timestamp(changedAt),
      name,
      var: variables,
      links: { self: link(`/v3/environment_variable_groups/${name}`) },
    }
  }

  api.get<{ Params: { name: string } }>('/v3/environment_variable_groups/:name', (request) =>
    present(known(request.params.name), linkOf(request)),
  )

  api.patch<{ Params: { name: string } }>('/v3/environment_variable_groups/:name', (request) => {
    request.caller.access.requireAdmin()
    const name = known(request.params.name)
    updateEnvironmentGroup(store, name, parseBody(GroupUpdate, request.body).var)
    return present(name, linkOf(request))
  })
}
