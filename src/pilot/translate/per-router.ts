import type { Resource } from '../../common/xds/resources.ts'
import type { Credential } from '../rules/credentials.ts'
import type { GatewayChain } from '../rules/gateway-chains.ts'
import { selects } from './arrival.ts'
import { credentialsOf, hasContents, isHere, secretResource, type Contents } from './gateways/secrets.ts'
import { listenersFor } from './listener.ts'
import type { RouterNode } from './router-node.ts'
import { scopesFor } from './routing-shape.ts'
import type { TranslationSettings } from './settings.ts'

/** What Gateways ask for, and the secrets that it takes. */
export interface Gateways {
  chains: GatewayChain[]
  /** What clusters of external services need, which every router has. */
  credentials: Credential[]
  contents: Contents
}

/**
 * What one router gets that depends on what it asked for: its listeners, what leads from them to route configurations, and the secrets of
 * the Gateways whose selectors mean it. A server whose secret is not here yet has no filter chain, since one would hold up its listener.
 */
export function resourcesFor(
  node: RouterNode,
  settings: TranslationSettings,
  { chains, credentials: clients, contents }: Gateways = { chains: [], credentials: [], contents: () => undefined },
): Resource[] {
  const mine = chains.filter(({ arrival, tls }) => selects(arrival.selector, node.labels) && (!tls || hasContents(tls, contents)))
  const needed = [
    ...mine.flatMap(({ tls }) => (tls ? credentialsOf(tls) : [])),
    ...clients.filter((credential) => isHere(credential, contents)),
  ]
  const credentials = new Map(needed.map((credential) => [credential.name, credential]))
  return [
    ...[...credentials.values()].map((credential) => secretResource(credential, contents)),
    ...listenersFor(node, settings, mine),
    ...scopesFor(
      node.listeners.map(({ exposure }) => exposure),
      settings,
    ),
  ]
}
