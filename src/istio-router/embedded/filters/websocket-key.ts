import type { FilterType } from './filter.ts'

/** Envoy is told to give a WebSocket over HTTP/2 the key that it comes without; here its head is read so (listener/http2-head.ts). */
export const websocketKey: FilterType = { name: 'mesh.websocket-key', elsewhere: true, compile: () => ({}) }
