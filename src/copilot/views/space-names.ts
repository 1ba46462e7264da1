import type { Caller } from '../people/caller.ts'
import type { Store } from '../store/store.ts'
import { Related } from './related.ts'

/** What of an answer is said to people, by the names of its fields, and where such fields are. All else, as a `key` or what people have written in a `spec`, keeps its guids. */
const said = new Set(['message', 'why', 'reason', 'rule', 'limit', 'does', 'space'])
const around = new Set(['items', 'problems', 'status', 'conditions', 'warnings', 'rules', 'limits', 'outcome', 'conflicts', 'refused'])

const guid = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g

/** An answer in whose sentences spaces are called `ORGANIZATION/SPACE`; by their guid where copilot does not know them, or the caller may not read them. */
export async function nameSpaces<Answer>(store: Store, answer: Answer, caller: Caller): Promise<Answer> {
  const mentioned = new Set([...sentences(answer)].flatMap((sentence) => sentence.match(guid) ?? []))
  if (!mentioned.size) return answer
  const related = new Related(store)
  await related.addSpaces(mentioned)
  const names = new Map<string, string>()
  for (const space of mentioned) {
    const {
      space: { name },
      organization,
    } = related.owner(space)
    if (name !== undefined && (await mayRead(caller, space)))
      names.set(space, organization?.name === undefined ? name : `${organization.name}/${name}`)
  }
  return rewritten(answer, (sentence) => sentence.replace(guid, (one) => names.get(one) ?? one))
}

function* sentences(value: unknown): Generator<string> {
  if (Array.isArray(value)) for (const one of value) yield* sentences(one)
  else if (typeof value === 'object' && value !== null) {
    for (const [field, inner] of Object.entries(value)) {
      if (said.has(field) && typeof inner === 'string') yield inner
      if (around.has(field)) yield* sentences(inner)
    }
  }
}

function rewritten<Value>(value: Value, rewrite: (sentence: string) => string): Value {
  if (Array.isArray(value)) return value.map((one: unknown) => rewritten(one, rewrite)) as Value
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).map(([field, inner]: [string, unknown]) => [
    field,
    said.has(field) && typeof inner === 'string' ? rewrite(inner) : around.has(field) ? rewritten(inner, rewrite) : inner,
  ])
  return Object.fromEntries(fields) as Value
}

/** False also where nobody can tell. */
const mayRead = (caller: Caller, space: string): Promise<boolean> => caller.mayRead(space).catch(() => false)
