import type { Change, Kind, Records } from '../records.ts'
import { nameText, namesOf } from './names.ts'
import type { Source } from './source.ts'

/**
 * Some records, to read rules from. Names of external services lead nowhere; `exceeded` are wildcards that do not shape the host that is
 * looked at.
 */
export function recordSource(records: Iterable<Change>, exceeded: ReadonlySet<string> = new Set()): Source {
  const values = new Map<string, Records[Kind]>()
  const keys = new Map<string, string[]>()
  for (const { kind, key, value } of records) {
    if (!value) continue
    values.set(`${kind} ${key}`, value)
    for (const name of namesOf(kind, value).map(nameText)) keys.set(name, [...(keys.get(name) ?? []), key])
  }
  return {
    get: <K extends Kind>(kind: K, key: string) => values.get(`${kind} ${key}`) as Records[K] | undefined,
    keysOf: (name) => keys.get(nameText(name)) ?? [],
    addressesOf: () => undefined,
    exceeds: (wildcard) => exceeded.has(wildcard),
  }
}
