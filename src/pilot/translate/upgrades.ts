import type { Feature } from './feature.ts'

/** WebSocket, over HTTP/1.1 and, by extended CONNECT (RFC 8441), over HTTP/2. */
export const upgrades: Feature = {
  manager: () => ({ upgradeConfigs: [{ upgradeType: 'websocket' }] }),
}
