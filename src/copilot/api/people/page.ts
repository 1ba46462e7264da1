import { Type, type TProperties, type TSchema } from 'typebox'
import type { Kind } from '../../../mesh/records.ts'
import { CursorInvalid } from '../../problems.ts'
import type { Filter, Keyed, Store } from '../../store/store.ts'

/** The query of a list: its own filters, and which part of it. */
export const ListQuery = <Filters extends TProperties>(filters: Filters) =>
  Type.Object(
    {
      ...filters,
      limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Most items of the answer' }),
      cursor: Type.Optional(Type.String({ description: '`next` of the answer before' })),
    },
    { additionalProperties: false },
  )

export const ListAnswer = <Item extends TSchema>(item: Item) =>
  Type.Object({ items: Type.Array(item), next: Type.Optional(Type.String({ description: 'Cursor of what follows; absent at the end' })) })

export interface PageQuery {
  limit: number
  cursor?: string
}

export interface ItemPage<Item> {
  items: Item[]
  next?: string
}

/**
 * One page of a kind's records in key order, shown by `show`. A cursor is the last key, so that records that come or go
 * between two pages neither repeat nor hide others.
 */
export async function page<K extends Kind, Item>(
  store: Store,
  kind: K,
  filter: Filter,
  { limit, cursor }: PageQuery,
  show: (records: Keyed<K>[]) => Promise<Item[]>,
): Promise<ItemPage<Item>> {
  const records = await store.list(kind, filter, { after: cursor === undefined ? undefined : decode(cursor), limit: limit + 1 })
  const shown = records.slice(0, limit)
  return { items: await show(shown), ...(records.length > limit && { next: encode(shown.at(-1)!.key) }) }
}

export const encode = (key: string): string => Buffer.from(key).toString('base64url')

export function decode(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString()
  if (!key || encode(key) !== cursor) throw CursorInvalid()
  return key
}
