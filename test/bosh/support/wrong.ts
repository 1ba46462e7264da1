import { certificate } from './properties.ts'

const other = certificate('other.service.cf.internal')
const expired = certificate('expired.service.cf.internal', { days: -1 })

/** Wrong values that the templates refuse: the properties, and the name that the message must bear. */
export const refusedByTemplates: { job: string; properties: object; names: string }[] = [
  { job: 'istio-router', properties: { keypairs: [{ name: 'a', certificate: 'x' }] }, names: 'keypairs[0].private_key' },
  { job: 'istio-router', properties: { keypairs: [] }, names: 'keypairs' },
  { job: 'istio-router', properties: { http: { port: 0 }, https: { port: 0 } }, names: 'http.port' },
  { job: 'istio-router', properties: { internal: { port: 80 } }, names: 'http.port, internal.port' },
  { job: 'istio-router', properties: { probe: { port: 9453 } }, names: 'probe.port, health.port' },
  {
    job: 'istio-router',
    properties: { keypairs: [1, 2].map(() => ({ name: 'a', certificate: 'x', private_key: 'y' })) },
    names: 'keypairs',
  },
  { job: 'route-syncer', properties: { mirror: { from: 'test', to: 'elsewhere.test' } }, names: 'mirror.to' },
  { job: 'pilot', properties: { translation: 'fast' }, names: 'translation.request_timeout' },
]

/** Wrong values that the templates let through: pre-start must name every one of them. */
export const refusedByPreStart: Record<string, { properties: object; names: string[] }[]> = {
  copilot: [
    {
      properties: {
        listen: { port: 70_000 },
        api: { listen: { port: 'https' }, uaa: { url: 'uaa', issuer: ['a', 'list'] }, cloud_controller: { url: 'cc', roles_seconds: -1 } },
        encryption: { keys: [{ name: 'first', secret: 'too short' }] },
        limits: { resources: -1 },
        store: { retention: 0, max_megabytes: 'many' },
        health: { port: -1 },
        log: { level: 'loud' },
      },
      names: [
        'listen.port',
        'api.listen.port',
        'api.uaa.url',
        'api.uaa.issuer',
        'api.cloud_controller.url',
        'api.cloud_controller.roles_seconds',
        'encryption.keys[0].secret',
        'limits.resources',
        'store.retention',
        'store.max_megabytes',
        'health.port',
        'log.level',
      ],
    },
    {
      properties: { tls: { private_key: other.private_key }, api: { tls: { certificate: 'no PEM' }, uaa: { ca: '' } } },
      names: ['tls.private_key', 'api.tls.certificate', 'api.uaa.ca'],
    },
  ],
  pilot: [
    {
      properties: {
        translation: {
          request_timeout: '15 minutes',
          connect_timeout: 5,
          stream_idle_timeout: 'long',
          request_headers_timeout: '',
          client_idle_timeout: '1d',
          instance_idle_timeout: true,
          attempts: 0,
          load_balancing: 'fair',
          max_headers_kilobytes: 0,
          max_headers: 1,
          minimum_tls_version: 1.2,
          routing_shape: 'round',
          health_check: 'sometimes',
          trace_headers: { b3: 'on', w3c: 1 },
          sticky_sessions: { for: 'some', cookies: [] },
          port_leases: [{ port: 0, spaces: [] }],
        },
        debug: { port: 70_000 },
      },
      names: [
        'translation.request_timeout',
        'translation.connect_timeout',
        'translation.stream_idle_timeout',
        'translation.request_headers_timeout',
        'translation.client_idle_timeout',
        'translation.instance_idle_timeout',
        'translation.attempts',
        'translation.load_balancing',
        'translation.max_headers_kilobytes',
        'translation.max_headers',
        'translation.minimum_tls_version',
        'translation.routing_shape',
        'translation.trace_headers.b3',
        'translation.trace_headers.w3c',
        'translation.sticky_sessions.for',
        'translation.sticky_sessions.cookies',
        'translation.port_leases[0].port',
        'translation.port_leases[0].spaces',
        'debug.port',
      ],
    },
    { properties: { tls: { certificate: expired.certificate, private_key: expired.private_key } }, names: ['tls.certificate'] },
  ],
  'route-syncer': [
    {
      properties: {
        source: 'Not A Name',
        cloud_controller: { url: 'api.test', poll_interval: 0, full_interval: 0 },
        uaa: { url: 'uaa', client_id: '', client_secret: 5 },
        bbs: { url: 'http://bbs', full_interval: 0, preferred_address: 'ANY' },
        mesh_domains: ['-- no domain'],
        internal_domains: 'apps.internal',
        guard: { share: 101, minimum: 0 },
      },
      names: [
        'source',
        'cloud_controller.url',
        'cloud_controller.poll_interval',
        'cloud_controller.full_interval',
        'uaa.url',
        'uaa.client_id',
        'uaa.client_secret',
        'bbs.url',
        'bbs.full_interval',
        'bbs.preferred_address',
        'mesh_domains[0]',
        'internal_domains',
        'guard.share',
        'guard.minimum',
      ],
    },
    { properties: { bbs: { tls: { private_key: other.private_key } } }, names: ['bbs.tls.private_key'] },
    { properties: { mirror: { from: 'mesh.test' } }, names: ['mirror.from'] },
  ],
  'istio-router': [
    {
      properties: {
        trusted_hops: -1,
        trusted_cidrs: '10.0.0.0/8',
        drain: { wait: -1, limit: -1 },
        probe: { port: 'eight' },
        envoy: { concurrency: 0, max_connections: 0, load_at_once: -1, log_level: 'loud' },
      },
      names: [
        'trusted_hops',
        'trusted_cidrs',
        'drain.wait',
        'drain.limit',
        'probe.port',
        'envoy.concurrency',
        'envoy.max_connections',
        'envoy.load_at_once',
        'envoy.log_level',
      ],
    },
    {
      properties: {
        keypairs: [{ name: 'default', certificate: other.certificate, private_key: expired.private_key }],
        backend: { ca: 'no PEM' },
      },
      names: ['keypairs[0].private_key', 'backend.ca'],
    },
  ],
}
