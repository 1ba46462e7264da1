import { Type } from 'typebox'
import { Body, bodyFaults } from './body.ts'
import { asText } from '../json.ts'
import { unprocessable } from './errors.ts'

const algorithms = ['round-robin', 'least-connection', 'hash']

const RouteOptions = Body({
  loadbalancing: Type.Optional(
    Type.Unsafe<string | null>({ enum: [...algorithms, null], detail: `must be one of '${algorithms.join(', ')}' if present` }),
  ),
  hash_header: Type.Optional(
    Type.Unsafe<string | null>({ type: ['string', 'null'], maxLength: 128, detail: 'must be at most 128 characters' }),
  ),
  hash_balance: Type.Optional(Type.Unsafe<string | number | null>({ type: ['string', 'number', 'null'] })),
})

/** Largest options, bytes as JSON. */
const maximumSize = 2048

/**
 * A route's options after a change: null removes one. Throws UnprocessableEntity with Cloud Controller's sentences
 * (RFC-0027, RFC-0042).
 */
export function mergeOptions(options: unknown, current: Record<string, string> = {}): Record<string, string> {
  if (options === undefined) return current
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw unprocessable("Options 'options' is not a valid object")
  const asked = options as Record<string, string | number | null>
  const size = Buffer.byteLength(JSON.stringify(options))
  const faults = [
    ...(size > maximumSize ? [`must be smaller than ${maximumSize} bytes (actual size is ${size} bytes)`] : []),
    ...bodyFaults(RouteOptions, options),
    ...balanceFaults(asked['hash_balance']),
    ...misplaced(asked),
  ]
  if (faults.length) throw unprocessable(faults.map((fault) => `Options ${fault}`).join(', '))

  const merged = Object.fromEntries(Object.entries({ ...current, ...asked }).filter(([, value]) => value !== null && value !== ''))
  if (merged['loadbalancing'] !== 'hash') {
    delete merged['hash_header']
    delete merged['hash_balance']
  } else if (!merged['hash_header']) throw unprocessable('Hash header must be present when loadbalancing is set to hash.')
  if (merged['hash_balance'] !== undefined) merged['hash_balance'] = (Math.round(Number(merged['hash_balance']) * 10) / 10).toFixed(1)
  return merged as Record<string, string>
}

function balanceFaults(balance: unknown): string[] {
  if (balance === undefined || balance === null || balance === '') return []
  if (asText(balance).length > 16) return ['Hash balance must be at most 16 characters']
  const number = Number(balance)
  if (Number.isNaN(number)) return ['Hash balance must be a numeric value']
  return number === 0 || (number >= 1.1 && number <= 10) ? [] : ['Hash balance must be either 0 or between 1.1 and 10.0']
}

function misplaced({ loadbalancing, hash_header: header, hash_balance: balance }: Record<string, unknown>): string[] {
  if (!loadbalancing || loadbalancing === 'hash') return []
  return [
    ...(header ? ['Hash header can only be set when loadbalancing is hash'] : []),
    ...(balance ? ['Hash balance can only be set when loadbalancing is hash'] : []),
  ]
}
