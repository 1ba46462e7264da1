import { BlockList, isIPv6 } from 'node:net'
import type { GatewayChain } from '../../rules/gateway-chains.ts'

/**
 * Chains for connections to some addresses (`destinationSubnets`), without harm to others. Envoy looks at the address first, takes the
 * chains of the narrowest range that has it, and forgets all others, whatever name is asked for: so each range gets copies of the chains
 * around it, for the names that it has none for.
 */
export function everywhere(chains: GatewayChain[]): GatewayChain[] {
  const single = chains.flatMap((chain) =>
    chain.subnets.length ? chain.subnets.map((subnet) => ({ ...chain, subnets: [normal(subnet)] })) : [chain],
  )
  const taken = new Set<string>()
  const given = single.flatMap((chain) => left(chain, taken, chain.subnets[0] ?? ''))
  return [
    ...given,
    ...rangesOf(given).flatMap((range) => around(given, range).flatMap((chain) => left({ ...chain, subnets: [range] }, taken, range))),
  ]
}

/** The address ranges that chains are for. */
export const rangesOf = (chains: GatewayChain[]): string[] => [...new Set(chains.flatMap(({ subnets }) => subnets))]

/** Of chains for the same connections the first has them. */
function left(chain: GatewayChain, taken: Set<string>, range: string): GatewayChain[] {
  const names = (chain.serverNames.length ? chain.serverNames : ['']).filter((name) => !taken.has(`${range} ${name}`))
  for (const name of names) taken.add(`${range} ${name}`)
  return names.length ? [{ ...chain, serverNames: names.filter(Boolean) }] : []
}

/** Chains for all addresses of a range and for more, the narrowest first. */
function around(chains: GatewayChain[], range: string): GatewayChain[] {
  const wider = chains.filter(({ subnets: [own] }) => own === undefined || (own !== range && contains(own, range)))
  return wider.toSorted((a, b) => bitsOf(b.subnets[0]) - bitsOf(a.subnets[0]))
}

const bitsOf = (cidr: string | undefined): number => Number(cidr?.split('/')[1] ?? -1)

function contains(wide: string, narrow: string): boolean {
  const [[network], [address]] = [wide.split('/'), narrow.split('/')] as [[string], [string]]
  if (isIPv6(network) !== isIPv6(address) || bitsOf(wide) > bitsOf(narrow)) return false
  const list = new BlockList()
  const family = isIPv6(network) ? 'ipv6' : 'ipv4'
  list.addSubnet(network, bitsOf(wide), family)
  return list.check(address, family)
}

/** One writing for each range, since Envoy refuses a listener with two chains for the same: IPv4 without the bits behind its prefix. */
function normal(cidr: string): string {
  const [address, bits] = cidr.split('/') as [string, string]
  if (isIPv6(address)) return `${new URL(`http://[${address}]`).hostname.slice(1, -1)}/${bits}`
  const masked = address.split('.').map((part, at) => Number(part) & (256 - 2 ** Math.min(8, Math.max(0, 8 * (at + 1) - Number(bits)))))
  return `${masked.join('.')}/${bits}`
}
