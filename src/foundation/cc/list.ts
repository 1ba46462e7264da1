import type { Row, Table } from '../store/table.ts'
import { badQueryParameter } from './errors.ts'
import { labelSelector } from './metadata.ts'

/** How a list may be filtered and ordered. */
export interface ListShape<R extends Row, I extends string = string> {
  /** Filters beyond those every list has; each by an index of the table, by the value it compares, or `any` to accept and ignore. */
  filters?: Record<string, I | 'any' | ((row: R) => string | readonly string[] | undefined)>
  /** Filters that do not compare for equality. */
  matches?: Record<string, (row: R, values: string[]) => boolean>
  /** Resources that `include` may name. */
  include?: string[]
  /** Resources of which `fields[RESOURCE]` may choose. */
  fields?: string[]
  /** Columns beside created_at and updated_at. */
  orderBy?: Record<string, (row: R) => string | number>
  /** Whether `label_selector` is known. */
  labels?: boolean
}

export interface ListQuery<R extends Row> {
  page: number
  perPage: number
  /** Requested values by filter, in the order of the request. */
  filters: Map<string, string[]>
  include: string[]
  keep: ((row: R) => boolean)[]
  order: { column: string; descending: boolean }
  /** The query without page and per_page, for links. */
  parameters: Record<string, string>
}

export interface Page<R> {
  rows: R[]
  total: number
}

type Query = Record<string, string | string[] | undefined>

const comparisons: Record<string, (time: number, bound: number) => boolean> = {
  // The column has fractions of seconds, the bound has none: `gt` and `lte` mean the whole second.
  gt: (time, bound) => time > bound + 999,
  gte: (time, bound) => time >= bound,
  lt: (time, bound) => time < bound,
  lte: (time, bound) => time <= bound + 999,
}

/** Reads a list's query. Throws BadQueryParameter with Cloud Controller's sentences. */
export function parseList<R extends Row>(query: unknown, shape: ListShape<R>): ListQuery<R> {
  const asked = query as Query
  const faults: string[] = []
  const filters = new Map<string, string[]>()
  const keep: ((row: R) => boolean)[] = []
  let order = { column: '', descending: false }
  let include: string[] = []
  const unknown: string[] = []
  const allowed = [
    'page',
    'per_page',
    'order_by',
    'created_ats',
    'updated_ats',
    'guids',
    ...Object.keys(shape.filters ?? {}),
    ...Object.keys(shape.matches ?? {}),
    ...(shape.include ? ['include'] : []),
    ...(shape.fields ? ['fields'] : []),
    ...(shape.labels ? ['label_selector'] : []),
  ]
  for (const [parameter, value] of Object.entries(asked)) {
    const text = [value].flat().at(-1) ?? ''
    const [, name = parameter, operator] = /^(\w+)\[(\w+(?:\.\w+)*)\]$/.exec(parameter) ?? []
    const matches = shape.matches?.[parameter]
    if (matches) keep.push((row) => matches(row, separated(text)))
    else if (!allowed.includes(name) || (operator && !['created_ats', 'updated_ats', 'fields'].includes(name))) unknown.push(name)
    else if (name === 'created_ats') keep.push(times(name, operator, text, (row) => row.createdAt, faults))
    else if (name === 'updated_ats') keep.push(times(name, operator, text, (row) => row.updatedAt, faults))
    else if (name === 'order_by') order = ordering(text, shape, faults)
    else if (name === 'include') include = inclusions(text, shape.include ?? [], faults)
    else if (name === 'label_selector') {
      const holds = labelSelector(text)
      if (holds) keep.push((row) => holds((row as R & { labels: Record<string, string> }).labels))
      else faults.push(text ? `Invalid label_selector value` : 'Missing label_selector value')
    } else if (name !== 'page' && name !== 'per_page' && name !== 'fields') filters.set(name, separated(text))
  }
  if (unknown.length)
    faults.unshift(`Unknown query parameter(s): '${unknown.join("', '")}'. Valid parameters are: '${allowed.join("', '")}'`)
  const page = whole(asked['page'], 1, 'Page', Number.MAX_SAFE_INTEGER, faults)
  const perPage = whole(asked['per_page'], 50, 'Per page', 5000, faults)
  if (faults.length) throw badQueryParameter(faults.join(', '))
  const parameters = Object.fromEntries(
    Object.entries(asked)
      .filter(([name]) => name !== 'page' && name !== 'per_page')
      .map(([name, value]) => [name, [value].flat().at(-1) ?? '']),
  )
  return { page, perPage, filters, include, keep, order, parameters }
}

/**
 * The asked page of what a table has, `visible` to the caller. Begins with the index that a filter narrows most, and
 * sorts only what does not come in the order of creation.
 */
export function selectPage<R extends Row, I extends string>(
  table: Table<R, I>,
  shape: ListShape<R>,
  query: ListQuery<R>,
  visible?: (row: R) => boolean,
): Page<R> {
  const keep = visible ? [...query.keep, visible] : [...query.keep]
  const guids = query.filters.get('guids')
  const sources: Source<R>[] = guids
    ? [{ size: guids.length, rows: () => [...new Set(guids)].flatMap((guid) => table.get(guid) ?? []) }]
    : []
  if (guids) {
    const wanted = new Set(guids)
    keep.push(({ guid }) => wanted.has(guid))
  }
  for (const [name, values] of query.filters) {
    const filter = shape.filters?.[name]
    if (filter === undefined || filter === 'any') continue
    const wanted = new Set(values)
    const valuesOf = typeof filter === 'function' ? filter : (row: R) => table.keysOf(filter as I, row)
    keep.push((row) => [valuesOf(row)].flat().some((value) => value !== undefined && wanted.has(value)))
    if (typeof filter === 'string') sources.push(indexed(table, filter, wanted))
  }
  const [source] = sources.sort((a, b) => a.size - b.size)
  const candidates = source ? source.rows().sort((a, b) => a.seq - b.seq) : table.values()
  const rows: R[] = []
  for (const row of candidates) if (keep.every((holds) => holds(row))) rows.push(row)
  return { rows: slice(ordered(rows, shape, query.order), query), total: rows.length }
}

/** Where the rows of a list can come from; the smallest is taken. */
interface Source<R> {
  size: number
  rows(): R[]
}

function indexed<R extends Row, I extends string>(table: Table<R, I>, index: I, wanted: Set<string>): Source<R> {
  const values = [...wanted]
  return {
    size: values.reduce((sum, value) => sum + table.count(index, value), 0),
    rows: () => (values.length === 1 ? table.by(index, values[0]!) : [...new Set(values.flatMap((value) => table.by(index, value)))]),
  }
}

function ordered<R extends Row>(rows: R[], shape: ListShape<R>, { column, descending }: ListQuery<R>['order']): R[] {
  const value = column === 'updated_at' ? (row: R) => row.updatedAt : shape.orderBy?.[column]
  if (value) rows.sort((a, b) => compare(value(a), value(b)) || a.seq - b.seq)
  return descending ? rows.reverse() : rows
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function slice<R extends Row>(rows: R[], { page, perPage }: ListQuery<R>): R[] {
  return rows.slice((page - 1) * perPage, page * perPage)
}

/** The envelope of a page. `path` is the list's full address. */
export function paginated<R extends Row, P>(
  query: ListQuery<R>,
  { rows, total }: Page<R>,
  path: string,
  present: (row: R) => P,
): Record<string, unknown> {
  const { page, perPage, parameters } = query
  const pages = Math.max(1, Math.ceil(total / perPage))
  const link = (number: number) => {
    const search = new URLSearchParams({ ...parameters, page: String(number), per_page: String(perPage) })
    search.sort()
    return { href: `${path}?${search.toString()}` }
  }
  return {
    pagination: {
      total_results: total,
      total_pages: pages,
      first: link(1),
      last: link(pages),
      next: page < pages ? link(page + 1) : null,
      previous: page > 1 ? link(page - 1) : null,
    },
    resources: rows.map(present),
  }
}

function separated(text: string): string[] {
  return text.split(/,\s*/).map((value) => {
    try {
      return decodeURIComponent(value)
    } catch {
      return value
    }
  })
}

function whole(value: string | string[] | undefined, otherwise: number, name: string, maximum: number, faults: string[]): number {
  if (value === undefined) return otherwise
  const number = Number.parseInt([value].flat().at(-1) ?? '', 10)
  if (!(number > 0)) faults.push(`${name} must be a positive integer`)
  else if (number > maximum) faults.push(`${name} must be between 1 and ${maximum}`)
  return number
}

function ordering<R extends Row>(text: string, shape: ListShape<R>, faults: string[]): { column: string; descending: boolean } {
  const column = text.replace(/^[+ -]/, '')
  const columns = ['created_at', 'updated_at', ...Object.keys(shape.orderBy ?? {})]
  if (!columns.includes(column)) faults.push(`Order by can only be: ${columns.map((name) => `'${name}'`).join(', ')}`)
  return { column, descending: text.startsWith('-') }
}

function inclusions(text: string, valid: string[], faults: string[]): string[] {
  const asked = separated(text)
  for (const name of asked) {
    if (!valid.includes(name)) faults.push(`Invalid included resource: '${name}'. Valid included resources are: '${valid.join("', '")}'`)
  }
  const twice = asked.find((name, at) => asked.indexOf(name) !== at)
  if (twice) faults.push(`Duplicate included resource: '${twice}'`)
  return asked
}

function times<R extends Row>(
  name: string,
  operator: string | undefined,
  text: string,
  time: (row: R) => number,
  faults: string[],
): (row: R) => boolean {
  const label = name === 'created_ats' ? 'Created ats' : 'Updated ats'
  const bounds = text.split(',')
  if (operator && !comparisons[operator]) faults.push(`${label} Invalid relational operator: '${operator}'`)
  if (operator && bounds.length > 1) faults.push(`${label} only accepts one value when using a relational operator`)
  else if (!bounds.every((bound) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(bound) && !Number.isNaN(Date.parse(bound)))) {
    faults.push(`${label} has an invalid timestamp format. Timestamps should be formatted as 'YYYY-MM-DDThh:mm:ssZ'`)
  }
  const stamps = bounds.map((bound) => Date.parse(bound))
  const compare = operator ? comparisons[operator] : undefined
  if (compare) return (row) => compare(time(row), stamps[0]!)
  return (row) => stamps.some((stamp) => time(row) >= stamp && time(row) <= stamp + 999)
}
