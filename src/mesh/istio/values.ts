import { isIP, isIPv4 } from 'node:net'
import { RE2JS } from 're2js'

const label = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/
const wildcardLabel = /^(?:\*|(?:\*-?)?[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)$/

/** Each of these tells what is wrong with a value and what to write instead; undefined where nothing is. */
export type Fault = string | undefined

export const isLabel = (text: string): boolean => label.test(text)

export function labelFault(text: string): Fault {
  return isLabel(text)
    ? undefined
    : `${JSON.stringify(text)} is no name: letters, digits and - only, at most 63, beginning and ending with a letter or digit`
}

/** A name of a resource, as Kubernetes has it. */
export function nameFault(name: string): Fault {
  if (name.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)) return undefined
  return `${JSON.stringify(name)} is no name: small letters, digits, - and . only, at most 253, beginning and ending with a letter or digit`
}

/** A host name without wildcard. */
export function hostFault(host: string): Fault {
  if (!host) return 'is empty; write a host name'
  if (host.length > 255) return 'is longer than 255 characters'
  const labels = host.replace(/\.$/, '').split('.')
  const wrong = labels.find((part) => !label.test(part))
  if (wrong !== undefined)
    return `${JSON.stringify(host)} is no host name: ${JSON.stringify(wrong)} may have letters, digits and - only, at most 63`
  if (/^\d+$/.test(labels.at(-1)!)) return `${JSON.stringify(host)} is no host name: its last part is a number`
  return undefined
}

/** A host name that may have a wildcard as its first part. */
export function wildcardFault(host: string): Fault {
  if (!host) return 'is empty; write a host name'
  const [first, ...rest] = host.split('.')
  if (!wildcardLabel.test(first!)) return `${JSON.stringify(host)} is no host name: a wildcard is *. and a domain`
  if (first === '*' || first!.startsWith('*')) {
    if (first !== '*') return `${JSON.stringify(host)}: a wildcard stands for whole labels; write *.${rest.join('.')}`
    return rest.length ? hostFault(rest.join('.')) : undefined
  }
  return hostFault(host)
}

export function portFault(port: number): Fault {
  return Number.isInteger(port) && port >= 1 && port <= 65_535 ? undefined : `${port} is no port; write one of 1 to 65535`
}

const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 }
const durationForm = /^[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:h|ms|m|s|us|µs|ns))+$/

/** A duration as Go writes it (`1.5s`, `1m30s`) in milliseconds; undefined where it is none. */
export function milliseconds(text: string): number | undefined {
  if (text === '0') return 0
  if (!durationForm.test(text)) return undefined
  const sum = [...text.matchAll(/(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|ns)/g)].reduce(
    (total, [, number, unit]) => total + Number(number) * units[unit!]!,
    0,
  )
  return (text.startsWith('-') ? -1 : 1) * Number(sum.toPrecision(15))
}

/** The longest duration, milliseconds: 64 bits of nanoseconds, as Go and Envoy count it. */
const longest = 2_562_047 * 3_600_000

/** A duration of at least a millisecond, to the millisecond, and of at most `most` of them. */
export function durationFault(text: string, { zero = false, most = longest } = {}): Fault {
  const value = milliseconds(text)
  if (value === undefined) return `${JSON.stringify(text)} is no duration; write one as 500ms, 1.5s or 2m`
  if (value === 0 && zero) return undefined
  if (value > most) return `${text} is too long; write at most ${Math.floor(most / 3_600_000)}h`
  if (value < 1) return `${text} is shorter than a millisecond; write at least 1ms`
  if (!Number.isInteger(value)) return `${text} is finer than a millisecond; write ${Math.round(value)}ms`
  return undefined
}

export const percentFault = (value: number): Fault => (value >= 0 && value <= 100 ? undefined : `${value} is no percentage; write 0 to 100`)

/** A share that is 0, or at least 0.0001 %. */
export function fineFault(value: number): Fault {
  return value === 0 || (value >= 0.0001 && value <= 100) ? undefined : `${value} is no percentage; write 0, or 0.0001 to 100`
}

/** Steps of a regular expression that Envoy takes at most (re2.max_program_size, as Istio has it). */
const mostSteps = 32_768

/**
 * About how many steps a regular expression has once its repetitions are written out. That is told before it is compiled, since a short
 * one can take seconds and hundreds of megabytes.
 */
export function stepsOf(regex: string): number {
  const groups = [0]
  let last = 0
  for (const [token, least, comma, most] of regex.matchAll(/\\.|\[(?:\\.|[^\]])*\]|\{(\d+)(,(\d*))?\}|[^]/gs)) {
    if (token === '(') groups.push(0)
    else if (least === undefined) {
      last = token === ')' ? (groups.pop() ?? 0) + 2 : 1
      groups.push((groups.pop() ?? 0) + last)
    } else {
      const repeated = last * (Number(most || least) * (comma === undefined ? 1 : 2) + 1)
      groups.push((groups.pop() ?? 0) + repeated - last)
      last = repeated
    }
  }
  return groups.reduce((sum, steps) => sum + steps, 0)
}

/** What a backslash makes of what follows it: a character by its number, or anything else. */
const escapes = /\\(?:x\{([\da-f]+)\}|([1-7][0-7]{2})|.)/gis

/** A regular expression that Envoy will take. `limit` is its greatest length. */
export function regexFault(regex: string, limit = 1024): Fault {
  if (!regex) return 'is empty; write a regular expression'
  if (regex.length > limit) return `is longer than ${limit} characters; write a shorter expression, or several matches`
  if (stepsOf(regex) > mostSteps) return 'is too much once its repetitions are written out; repeat less'
  const wide = [...regex.matchAll(escapes)].find(([, hex = '0', octal = '0']) => parseInt(hex, 16) > 0xff || parseInt(octal, 8) > 0xff)
  if (wide) return `${wide[0]} is no byte, and bytes are what routers compare; write the character itself`
  try {
    RE2JS.compile(regex)
    return undefined
  } catch (error) {
    return `${JSON.stringify(regex)} is no RE2 expression: ${(error as Error).message}. Lookarounds and backreferences do not exist there (github.com/google/re2/wiki/Syntax)`
  }
}

/** What a match of `regex`, a good one, is replaced by: for RE2 `\1` to `\9` are its groups and `\0` is all of it. */
export function replacementFault(replacement: string, regex: string): Fault {
  const groups = RE2JS.compile(regex).groupCount()
  for (const [escape, character] of replacement.matchAll(/\\(.?)/gs)) {
    if (character === '\\') continue
    if (!/^\d$/.test(character!)) return `${JSON.stringify(escape)} is no group; write \\1 to \\9, or \\\\ for a backslash`
    if (Number(character) > groups) return `${escape} is no group of the match, which has ${groups}; write ( ) around what it means`
  }
}

export const addressFault = (address: string): Fault => (isIP(address) ? undefined : `${JSON.stringify(address)} is no IP address`)

export function subnetFault(subnet: string): Fault {
  const [address, bits, ...more] = subnet.split('/')
  if (!isIP(address!) || more.length) return `${JSON.stringify(subnet)} is no subnet; write one as 10.0.0.0/8`
  if (bits === undefined) return undefined
  const most = isIPv4(address!) ? 32 : 128
  return /^\d+$/.test(bits) && Number(bits) <= most
    ? undefined
    : `${JSON.stringify(subnet)} is no subnet: its prefix is 0 to ${most} bits long`
}

/** What is wrong with subnets of a configuration, each a sentence that begins with the field's path. */
export const subnetFaults = (subnets: string[], path: string): string[] =>
  subnets.flatMap((subnet, position) => {
    const fault = subnetFault(subnet)
    return fault === undefined ? [] : [`${path}[${position}]: ${fault}`]
  })

/** A label's name and value, as Kubernetes and Cloud Controller have them. */
export function labelPairFault(name: string, value: string): Fault {
  const [prefix, bare] = name.includes('/') ? (name.split(/\/(.*)/s) as [string, string]) : ['', name]
  const form = /^[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/
  if (!form.test(bare) || (prefix && hostFault(prefix))) return `${JSON.stringify(name)} is no label's name`
  return value === '' || form.test(value) ? undefined : `${JSON.stringify(value)} is no label's value`
}

/** Istio's protocols of a port, by their names in upper case. */
export const protocols = ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB', 'HTTPS', 'TLS', 'TCP', 'HTTP_PROXY', 'MONGO', 'REDIS', 'MYSQL'] as const
export const isHttp = (protocol: string | undefined): boolean =>
  ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB', 'HTTP_PROXY'].includes((protocol ?? '').toUpperCase())
export const isTls = (protocol: string | undefined): boolean => ['HTTPS', 'TLS'].includes((protocol ?? '').toUpperCase())
