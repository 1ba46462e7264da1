/**
 * What pilot's listeners and a router's agent agree on, so that Envoy gets hosts as they are asked for (src/istio-router/envoy/loading.ts):
 * the filter that asks, off unless a route configuration names its `code`, and the cluster and the header by which it asks for a host.
 */
export const loading = { filter: 'mesh.loading', code: 'ask', cluster: 'hosts', host: 'x-host' } as const
