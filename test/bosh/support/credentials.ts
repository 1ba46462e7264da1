import { createAuthority, issueCertificate, type KeyPair } from '../../../src/common/pki.ts'
import type { Variable } from './manifests.ts'

/** What CredHub makes of a manifest's variables, by name, beside those that are given. Authorities are made before what they sign. */
export function generate(variables: Variable[], given: Record<string, unknown> = {}): Record<string, unknown> {
  const authorities = new Map<string, KeyPair>()
  const values: Record<string, unknown> = { ...given }
  const ordered = [...variables].sort((a, b) => Number(b.options?.is_ca ?? false) - Number(a.options?.is_ca ?? false))
  for (const { name, type, options = {} } of ordered) {
    if (options.is_ca && isPair(values[name]))
      authorities.set(name, { certificate: values[name].certificate, key: values[name].private_key })
    if (name in values) continue
    if (type === 'password') values[name] = `password-of-${name}`
    if (type !== 'certificate') continue
    const resolved = interpolate(options, values) as NonNullable<Variable['options']>
    if (resolved.is_ca) authorities.set(name, createAuthority(resolved.common_name ?? name, 30))
    const authority = authorities.get(resolved.is_ca ? name : (resolved.ca ?? ''))
    if (!authority) throw new Error(`${name}: there is no CA ${resolved.ca}`)
    const pair = resolved.is_ca
      ? authority
      : issueCertificate(authority, {
          commonName: resolved.common_name ?? '',
          dns: resolved.alternative_names ?? [],
          usages: usages(resolved.extended_key_usage),
        })
    values[name] = { ca: authority.certificate, certificate: pair.certificate, private_key: pair.key }
  }
  return values
}

function isPair(value: unknown): value is { certificate: string; private_key: string } {
  return typeof value === 'object' && value !== null && 'certificate' in value && 'private_key' in value
}

/** Puts values in the place of `((name))` and `((name.field))`. Throws for a name that has none. */
export function interpolate(document: unknown, values: Record<string, unknown>): unknown {
  if (Array.isArray(document)) return document.map((item) => interpolate(item, values))
  if (typeof document === 'object' && document !== null)
    return Object.fromEntries(Object.entries(document).map(([key, value]) => [key, interpolate(value, values)]))
  if (typeof document !== 'string') return document
  const whole = /^\(\(([^()]+)\)\)$/.exec(document)
  if (whole?.[1]) return lookUp(whole[1], values)
  return document.replaceAll(/\(\(([^()]+)\)\)/g, (_, name: string) => String(lookUp(name, values)))
}

function lookUp(name: string, values: Record<string, unknown>): unknown {
  const value = name.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], values)
  if (value === undefined) throw new Error(`((${name})) has no value`)
  return value
}

function usages(names: string[] = []): ('server' | 'client')[] {
  return names.map((name) => (name === 'server_auth' ? 'server' : 'client'))
}
