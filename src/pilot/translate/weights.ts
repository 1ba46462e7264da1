import type { Destination } from '../../mesh/records.ts'
import type { Server } from '../../mesh/serving.ts'

/** No endpoint weighs more; and Envoy refuses a locality whose endpoint weights add up to more than 32 bits. */
const heaviest = 1_000_000
const heaviestSum = 4_294_967_295

export interface Weights {
  /** Weight of each server, in their order; undefined where all weigh the same. */
  weights: number[] | undefined
  /** Largest relative error of a server's share; 0 unless the weights had to be scaled. */
  error: number
}

/**
 * Endpoint weights that give each destination its share, whatever its number of instances: `weight × L ÷ n`, with L the least
 * common multiple of the instance counts, divided by their greatest common divisor, and scaled to at most a million where that
 * grows too large. A destination without instances leaves its share to the others; one without a weight counts as 1
 * where others have one; where none has, every instance weighs the same.
 */
export function endpointWeights(destinations: Pick<Destination, 'weight'>[], servers: Pick<Server, 'destination'>[]): Weights {
  if (servers.length === 0 || destinations.every(({ weight }) => weight === undefined)) return { weights: undefined, error: 0 }
  const counts = new Map<number, bigint>()
  for (const { destination } of servers) counts.set(destination, (counts.get(destination) ?? 0n) + 1n)

  const multiple = [...counts.values()].reduce(leastCommonMultiple)
  const exact = new Map(
    [...counts].map(([destination, count]) => [destination, (BigInt(destinations[destination]!.weight ?? 1) * multiple) / count]),
  )
  const divisor = [...exact.values()].reduce(greatestCommonDivisor)
  const largest = [...exact.values()].reduce((a, b) => (a > b ? a : b))
  const limit = BigInt(Math.min(heaviest, Math.floor(heaviestSum / servers.length)))
  const scale = largest / divisor > limit ? { up: limit, down: largest } : { up: 1n, down: divisor }

  let error = 0
  const scaled = new Map<number, number>()
  for (const [destination, weight] of exact) {
    const rounded = Math.max(1, Number((2n * weight * scale.up + scale.down) / (2n * scale.down)))
    const ideal = Number((weight * scale.up * 1_000_000_000n) / scale.down) / 1e9
    error = Math.max(error, Math.abs(rounded - ideal) / ideal)
    scaled.set(destination, rounded)
  }
  return { weights: servers.map(({ destination }) => scaled.get(destination)!), error }
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  while (b) [a, b] = [b, a % b]
  return a
}

function leastCommonMultiple(a: bigint, b: bigint): bigint {
  return (a / greatestCommonDivisor(a, b)) * b
}
