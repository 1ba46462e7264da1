import { BlockList, isIPv6 } from 'node:net'
import type { Peer } from '../downstream.ts'
import type { ChainMatch, Range } from '../resources/listener.ts'

/**
 * The chain of a connection, by Envoy's order: where it was made to, the name in its TLS handshake, who made it. At each step those that
 * fit most closely are left, and one that says nothing of it fits where none fits better.
 */
export function chooseChain<T extends { match: ChainMatch }>(chains: readonly T[], peer: Peer): T | undefined {
  const steps: ((match: ChainMatch) => number)[] = [
    ({ destinations }) => longest(destinations, peer.localAddress),
    ({ serverNames }) => closest(serverNames, peer.serverName),
    ({ peers }) => longest(peers, peer.directAddress),
    ({ sources }) => longest(sources, peer.remoteAddress),
  ]
  let left = chains
  for (const step of steps) {
    const fits = left.map(({ match }) => step(match))
    const best = Math.max(...fits)
    left = left.filter((_chain, position) => fits[position] === best && best >= 0)
  }
  return left[0]
}

/** How closely a name fits: an exact one most, then the longest wildcard; 0 where there are no names, -1 where none fits. */
function closest(names: readonly string[], name: string | undefined): number {
  if (names.length === 0) return 0
  if (name === undefined) return -1
  if (names.includes(name)) return Infinity
  return Math.max(-1, ...names.map((pattern) => (pattern.startsWith('*.') && name.endsWith(pattern.slice(1)) ? pattern.length : -1)))
}

/** The bits of the longest range that has an address, plus one; 0 where there are no ranges, -1 where none has it. */
function longest(ranges: readonly Range[], address: string): number {
  if (ranges.length === 0) return 0
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  let best = -1
  for (const range of ranges) {
    const rangeFamily = isIPv6(range.address) ? 'ipv6' : 'ipv4'
    if (rangeFamily !== family) continue
    const list = new BlockList()
    list.addSubnet(range.address, range.bits, family)
    if (list.check(address, family)) best = Math.max(best, range.bits + 1)
  }
  return best
}
