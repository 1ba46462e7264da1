// Preloaded into a program: answers the names in the file MESH_TEST_HOSTS, a JSON object of addresses by name, as BOSH DNS would.
import dns, { type LookupAddress } from 'node:dns'
import { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const { lookup, promises } = dns
const lookupLater = promises.lookup
const addressOf = (name: string): string | undefined =>
  (JSON.parse(readFileSync(process.env['MESH_TEST_HOSTS']!, 'utf8')) as Record<string, string>)[name]

type Callback = (error: Error | null, address: string | LookupAddress[], family?: number) => void

function resolve(name: string, options: { all?: boolean } | Callback, callback?: Callback): void {
  const address = addressOf(name)
  const done = (callback ?? options) as Callback
  if (address === undefined) return (lookup as (...args: unknown[]) => void)(name, options, callback)
  const all = typeof options === 'object' && options.all
  process.nextTick(() => (all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)))
}

async function resolveLater(name: string, options?: { all?: boolean }): Promise<unknown> {
  const address = addressOf(name)
  if (address === undefined) return (lookupLater as (...args: unknown[]) => Promise<unknown>)(name, options)
  return options?.all ? [{ address, family: 4 }] : { address, family: 4 }
}

Object.assign(dns, { lookup: resolve })
Object.assign(promises, { lookup: resolveLater })
syncBuiltinESMExports()
