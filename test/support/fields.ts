import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parse } from 'yaml'
import { specs, type Field } from '../../src/mesh/istio/fields.ts'
import { resourceKinds } from '../../src/mesh/istio/kinds.ts'
import type { ResourceKind } from '../../src/mesh/istio/types.ts'

/** A field as the register of proofs has it: the policies of a subset and of a port are as that of the whole rule. */
export const registered = (path: string): string =>
  path.replace(/^subsets\[\]\.(?=trafficPolicy\.)/, '').replace('portLevelSettings[].', '')

/** A file of the tests, and the words in it that are about the field: a test's name, or what it expects. */
interface Elsewhere {
  file: string
  says: string
}

type Register = { elsewhere: Record<string, Elsewhere> } & Record<ResourceKind, Record<string, string | string[]>>
const register = parse(readFileSync(resolve(import.meta.dirname, '../conformance/fields.yaml'), 'utf8')) as Register

/** test/conformance/fields.yaml: which behaviours prove a field, by `KIND PATH`. */
export const proofs: ReadonlyMap<string, string[]> = new Map(
  resourceKinds.flatMap((kind) =>
    Object.entries(register[kind]).map(([path, behaviours]): [string, string[]] => [`${kind} ${path}`, [behaviours].flat()]),
  ),
)

/** What no request shows: the field, and where it is proved. */
export const elsewhere: ReadonlyMap<string, Elsewhere> = new Map(Object.entries(register.elsewhere))

/** The fields that a behaviour is said to prove. */
export const provenBy = (behaviour: string): string[] =>
  [...proofs].filter(([, behaviours]) => behaviours.includes(behaviour)).map(([field]) => field)

/** The fields that a resource gives, as `KIND PATH`. */
export function fieldsOf(document: object): string[] {
  const { kind, spec } = document as { kind: ResourceKind; spec: unknown }
  return [...given(specs[kind], spec, '')].map((path) => `${kind} ${registered(path)}`)
}

function* given({ fields, of, type }: Field, value: unknown, path: string): Generator<string> {
  if (fields) {
    for (const [name, inner] of Object.entries(value as object)) yield* given(fields[name]!, inner, path ? `${path}.${name}` : name)
  } else if (of?.fields) {
    for (const inner of Object.values(value as object)) yield* given(of, inner, `${path}${type === 'list' ? '[]' : '{}'}`)
  } else yield path
}
