import type { FastifyRequest } from 'fastify'
import type { Logger } from '../../common/log.ts'
import type { Diego } from '../diego.ts'
import type { Directory, Origins } from '../http.ts'
import type { Actor, Job } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import type { Row, Table } from '../store/table.ts'
import type { Access } from './access.ts'
import { paginated, parseList, selectPage, type ListQuery, type ListShape } from './list.ts'

/** What Cloud Controller's resources share. */
export interface Platform {
  store: Store
  diego: Diego
  directory: Directory
  log: Logger
  /** Folder for packages and droplets. */
  blobs: string
  systemDomain: string
}

/** Who calls, and how they reached us. */
export interface Caller {
  access: Access
  actor: Actor
  origins: Origins
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller
  }
}

/** Makes `links`: `link('/v3/apps/1')` is `{href}`. */
export type Link = (path: string, method?: string) => { href: string; method?: string }

export function linkOf(request: FastifyRequest): Link {
  const { cloudController } = request.caller.origins
  return (path, method) => ({ href: cloudController + path, ...(method && { method }) })
}

export const timestamp = (milliseconds: number): string => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`

/** The fields that every resource begins with. */
export function head({ guid, createdAt, updatedAt }: Row): { guid: string; created_at: string; updated_at: string } {
  return { guid, created_at: timestamp(createdAt), updated_at: timestamp(updatedAt) }
}

export const toOne = (guid: string | null) => ({ data: guid === null ? null : { guid } })
export const toMany = (guids: readonly string[]) => ({ data: guids.map((guid) => ({ guid })) })

export interface ListOptions<R extends Row, I extends string> {
  table: Table<R, I>
  shape: ListShape<R, I>
  visible?: ((row: R) => boolean) | undefined
  present: (row: R, link: Link) => unknown
  /** The `included` part, for the rows of the page. */
  included?: (rows: R[], include: string[], link: Link) => Record<string, unknown>
  /** Filters that come from the path. */
  extra?: Record<string, string>
}

/** Answers a list request: filtered, ordered, paginated, with what it includes. */
export function answerList<R extends Row, I extends string>(
  request: FastifyRequest,
  { table, shape, visible, present, included, extra }: ListOptions<R, I>,
): Record<string, unknown> {
  const query: ListQuery<R> = parseList<R>(request.query, shape)
  for (const [name, value] of Object.entries(extra ?? {})) query.filters.set(name, [value])
  const page = selectPage(table, shape, query, visible)
  const link = linkOf(request)
  const path = link(request.url.split('?')[0]!).href
  return {
    ...paginated(query, page, path, (row) => present(row, link)),
    ...(included && query.include.length && { included: included(page.rows, query.include, link) }),
  }
}

/** A list with nothing in it, whatever is asked. */
export function emptyList(request: FastifyRequest): Record<string, unknown> {
  const { page, per_page: perPage, ...rest } = request.query as Record<string, string>
  const query = parseList({ ...(page && { page }), ...(perPage && { per_page: perPage }) }, {})
  return paginated({ ...query, parameters: rest }, { rows: [], total: 0 }, linkOf(request)(request.url.split('?')[0]!).href, (row) => row)
}

/** Records a job that is already through, as most of ours are by the time they are asked for. */
export function finishedJob(store: Store, operation: string, resource: Job['resource'] = null): Job {
  return store.jobs.insert({ operation, state: 'COMPLETE', errors: [], warnings: [], resource })
}
