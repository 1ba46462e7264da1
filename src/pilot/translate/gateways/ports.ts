import type { ListenerSpec, RouterNode } from '../router-node.ts'

/**
 * The port that a router listens on for Istio's `port`: what its node says; else, for 80 and 443, its first public listener without and
 * with TLS.
 */
export function boundPort({ gatewayPorts, listeners }: RouterNode, port: number): number {
  const standard =
    port === 80 || port === 443 ? listeners.find(({ exposure, tls }) => exposure === 'pub' && tls === (port === 443))?.port : undefined
  return gatewayPorts[port] ?? standard ?? port
}

/** Istio's port that a listener stands for. */
export function istioPort({ gatewayPorts }: RouterNode, { port, tls }: ListenerSpec): number {
  const mapped = Object.entries(gatewayPorts).find(([, bound]) => bound === port)
  return mapped ? Number(mapped[0]) : tls ? 443 : 80
}
