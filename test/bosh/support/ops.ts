import { parse } from 'yaml'

/** One operation of an ops-file, as BOSH's go-patch takes it. */
export interface Operation {
  type: 'replace' | 'remove'
  path: string
  value?: unknown
}

type Modifier = 'prev' | 'next' | 'before' | 'after'
type Token =
  | { kind: 'key'; key: string; optional: boolean }
  | { kind: 'index'; index: number; modifiers: Modifier[] }
  | { kind: 'match'; key: string; value: string; optional: boolean; modifiers: Modifier[] }
  | { kind: 'end' }

/** Reads YAML as BOSH does: version 1.1, with anchors and merge keys. */
export function readYaml(text: string): unknown {
  return parse(text, { version: '1.1', merge: true, maxAliasCount: -1 }) as unknown
}

/** Reads an ops-file. Throws where an operation has an unknown type or field, or lacks one. */
export function readOperations(text: string): Operation[] {
  const operations = readYaml(text)
  if (!Array.isArray(operations)) throw new Error('an ops-file is a list of operations')
  return operations.map((operation: Record<string, unknown>, index) => {
    const { type, path, value, ...others } = operation
    if (type !== 'replace' && type !== 'remove') throw new Error(`operation [${index}]: unknown type '${String(type)}'`)
    if (typeof path !== 'string') throw new Error(`operation [${index}]: missing path`)
    if (type === 'replace' && value === undefined) throw new Error(`operation [${index}]: missing value`)
    if (type === 'remove' && value !== undefined) throw new Error(`operation [${index}]: cannot have value`)
    if (Object.keys(others).length) throw new Error(`operation [${index}]: unknown field '${Object.keys(others)[0]}'`)
    return { type, path, value }
  })
}

/** Applies operations to a copy of `document`, in order. Throws with the path where one does not fit. */
export function applyOperations(document: unknown, operations: Operation[]): unknown {
  const holder = { root: structuredClone(document) }
  for (const operation of operations) {
    const tokens = readPath(operation.path)
    if (tokens.length) apply(holder, tokens, operation)
    else if (operation.type === 'remove') throw new Error('Cannot remove entire document')
    else holder.root = structuredClone(operation.value)
  }
  return holder.root
}

/** Parses a path. `?` makes its key and all after it optional. */
export function readPath(path: string): Token[] {
  if (path === '') return []
  if (!path.startsWith('/')) throw new Error("Expected to start with '/'")
  let optional = false
  const parts = path.split('/').slice(1)
  return parts.map((part, position) => {
    const [raw = '', ...names] = part.split(':')
    for (const name of names)
      if (!['prev', 'next', 'before', 'after'].includes(name))
        throw new Error(`Expected to find one of the following modifiers: 'prev', 'next', 'before', or 'after' but found '${name}'`)
    const modifiers = names as Modifier[]
    const text = raw.replaceAll('~7', ':').replaceAll('~1', '/').replaceAll('~0', '~')
    if (text === '-' && position === parts.length - 1) {
      if (modifiers.length) throw new Error('Expected not to find any modifiers with after last index token')
      return { kind: 'end' }
    }
    if (/^[+-]?\d+$/.test(text)) return { kind: 'index', index: Number(text), modifiers }
    optional ||= text.endsWith('?')
    const at = text.indexOf('=')
    if (at >= 0) return { kind: 'match', key: text.slice(0, at), value: text.slice(at + 1).replace(/\?$/, ''), optional, modifiers }
    if (modifiers.length) throw new Error('Expected not to find any modifiers with key token')
    return { kind: 'key', key: text.replace(/\?$/, ''), optional }
  })
}

type Container = Record<string, unknown>

function apply(holder: { root: unknown }, tokens: Token[], { type, path, value }: Operation): void {
  let at: unknown = holder.root
  let update = (changed: unknown): void => void (holder.root = changed)

  for (const [position, token] of tokens.entries()) {
    const last = position === tokens.length - 1
    const where = `/${path
      .split('/')
      .slice(1, position + 2)
      .join('/')}`

    if (token.kind === 'key') {
      const map = expectMap(at, where)
      const found = Object.hasOwn(map, token.key)
      if (!found && !token.optional) throw new Error(`Expected to find a map key '${token.key}' for path '${where}'`)
      if (last && type === 'replace') return void (map[token.key] = structuredClone(value))
      if (last || (!found && type === 'remove')) return void delete map[token.key]
      if (!found) map[token.key] = emptyFor(tokens[position + 1], where)
      at = map[token.key]
      update = (changed) => void (map[token.key] = changed)
      continue
    }

    const array = expectArray(at, where)
    if (token.kind === 'end') {
      if (type === 'remove') throw new Error(`Expected to not find token '-' at path '${where}'`)
      return update([...array, structuredClone(value)])
    }
    const index = token.kind === 'index' ? token.index : indexOfMatch(array, token, where)
    if (index === undefined && token.kind === 'match') {
      if (type === 'remove') return
      if (last) return update([...array, structuredClone(value)])
      at = { [token.key]: token.value }
      array.push(at)
      continue
    }
    if (index === undefined) throw new Error(`Unreachable at path '${where}'`)
    if (last && type === 'replace') return update(insert(array, index, token.modifiers, structuredClone(value)))
    const found = concrete(array, index, token.modifiers)
    if (last) return update(array.toSpliced(found, 1))
    at = array[found]
    update = (changed) => void (array[found] = changed)
  }
}

/** What is made where an optional key is missing. */
function emptyFor(next: Token | undefined, where: string): unknown {
  if (next?.kind === 'key') return {}
  if (next?.kind === 'end' || next?.kind === 'match') return []
  throw new Error(`Expected to find key, matching index or after last index token at path '${where}'`)
}

/** The one item that matches; undefined where none does and that is allowed. */
function indexOfMatch(array: unknown[], { key, value, optional }: Extract<Token, { kind: 'match' }>, where: string): number | undefined {
  const found = array.flatMap((item, index) => (isMap(item) && item[key] === value ? [index] : []))
  if (optional && !found.length) return undefined
  if (found.length !== 1) throw new Error(`Expected to find exactly one matching array item for path '${where}' but found ${found.length}`)
  return found[0]
}

function insert(array: unknown[], index: number, modifiers: Modifier[], value: unknown): unknown[] {
  const place = modifiers.at(-1)
  const moves = place === 'before' || place === 'after' ? modifiers.slice(0, -1) : modifiers
  const found = concrete(array, index, moves)
  if (moves === modifiers) return array.with(found, value)
  return array.toSpliced(place === 'after' ? found + 1 : found, 0, value)
}

function concrete(array: unknown[], index: number, modifiers: Modifier[]): number {
  if (modifiers.some((modifier) => modifier === 'before' || modifier === 'after'))
    throw new Error("Expected to find one of the following modifiers: 'prev', 'next'")
  const moved = modifiers.reduce((at, modifier) => at + (modifier === 'next' ? 1 : -1), index)
  if (moved >= array.length || -moved > array.length)
    throw new Error(`Expected to find array index '${moved}' but found array of length '${array.length}'`)
  return moved < 0 ? array.length + moved : moved
}

function expectMap(value: unknown, where: string): Container {
  if (!isMap(value)) throw new Error(`Expected to find a map at path '${where}' but found '${kindOf(value)}'`)
  return value
}

function expectArray(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`Expected to find an array at path '${where}' but found '${kindOf(value)}'`)
  return value
}

function isMap(value: unknown): value is Container {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? 'array' : value === null || value === undefined ? 'nil' : isMap(value) ? 'map' : typeof value
}
