import { createAuthority, issueCertificate, type CertificateOptions } from '../../../src/common/pki.ts'
import type { Link, RenderRequest } from './jobs.ts'

const authority = createAuthority('test CA', 30)

/** A certificate as CredHub gives it, which is also how the jobs take it. */
export function certificate(
  name: string,
  options: Partial<CertificateOptions> = {},
): { ca: string; certificate: string; private_key: string } {
  const pair = issueCertificate(authority, { commonName: name, dns: [name], ...options })
  return { ca: authority.certificate, certificate: pair.certificate, private_key: pair.key }
}

const component = certificate('component.service.cf.internal')
const keypair = { name: 'default', certificate: component.certificate, private_key: component.private_key }

export const link = (address: string, properties: object): Link => ({
  address: `q-s0.${address}`,
  properties,
  instances: [{ name: 'mesh', id: 'a', index: 0, az: 'z1', address, bootstrap: true }],
})

/** What each job needs besides its defaults. */
export const minimal: Record<string, Required<Pick<RenderRequest, 'properties' | 'links'>>> = {
  copilot: {
    properties: { tls: component, api: { tls: component, uaa: { issuer: 'https://uaa.sys.test/oauth/token', ca: component.ca } } },
    links: {},
  },
  pilot: { properties: { tls: component }, links: { copilot: link('copilot.test', { listen: { port: 9443 } }) } },
  'route-syncer': {
    properties: { tls: component, bbs: { tls: component }, uaa: { client_secret: 'secret' }, mesh_domains: ['mesh.test'] },
    links: {
      copilot: link('copilot.test', { listen: { port: 9443 } }),
      cloud_controller: link('api.test', { system_domain: 'sys.test', app_domains: ['test'] }),
    },
  },
  'istio-router': {
    properties: { tls: component, backend: component, keypairs: [keypair] },
    links: { pilot: link('pilot.test', { listen: { port: 9450 } }) },
  },
  'smoke-tests': {
    properties: { api: 'https://api.sys.test', client_secret: 'secret', mesh_domain: 'mesh.test' },
    links: { 'istio-router': link('router.test', { http: { port: 80 }, https: { port: 443 }, internal: { port: 0, tls_port: 0 } }) },
  },
}

/** Every property of each job with a value of its own. */
export const full: typeof minimal = {
  copilot: {
    properties: {
      listen: { port: 19443 },
      tls: component,
      api: {
        listen: { port: 19444 },
        tls: component,
        uaa: { url: 'https://uaa.test:8443', issuer: 'https://uaa.test/oauth/token', ca: component.ca },
        cloud_controller: { url: 'https://api.test', ca: component.ca, roles_seconds: 5, patience_seconds: 60 },
      },
      encryption: {
        keys: [
          { name: 'second', secret: 'a random "text" of enough letters' },
          { name: 'first', secret: 'an older text of enough letters' },
        ],
      },
      egress_allowed: ['10.1.0.0/16'],
      orphan_days: 1,
      store: { retention: 10, max_megabytes: 100 },
      health: { port: 19445 },
      limits: { open_files: 1000, memory: '2G', resources: 10, secrets: 5, regex_length: 100, header_bytes: 1000 },
      log: { level: 'debug' },
    },
    links: {},
  },
  pilot: {
    properties: {
      listen: { port: 19450 },
      tls: component,
      translation: {
        request_timeout: '1m',
        connect_timeout: '1s',
        stream_idle_timeout: '2h',
        request_headers_timeout: '10s',
        client_idle_timeout: '5m',
        instance_idle_timeout: '30s',
        attempts: 2,
        load_balancing: 'least-connection',
        max_headers_kilobytes: 32,
        max_headers: 100,
        routing_shape: 'buckets',
        trace_headers: { b3: false, w3c: false },
        sticky_sessions: { for: 'all', cookies: ['SESSION'] },
        health_check: 'http:/health interval=5s',
        rate_limit_service: {
          address: 'limits.test:8081',
          tls: false,
          server_name: 'limits.test',
          domain: 'other',
          timeout: '1s',
          refuse_without: true,
        },
        port_leases: [{ port: 9443, spaces: ['acme/shop'] }],
        region: 'eu',
        minimum_tls_version: '1.3',
      },
      egress_resolvers: ['192.0.2.53', '192.0.2.54:5353'],
      debug: { port: 19451 },
      health: { port: 19452 },
      limits: { open_files: 1000, memory: '3G' },
      log: { level: 'warn' },
    },
    links: { copilot: link('copilot.test', { listen: { port: 19443 }, egress_allowed: ['10.1.0.0/16'] }) },
  },
  'route-syncer': {
    properties: {
      source: 'other',
      cloud_controller: { url: 'https://api.test', ca: component.ca, poll_interval: 2, full_interval: 60 },
      uaa: { url: 'https://uaa.test:8443', ca: component.ca, client_id: 'syncer', client_secret: 'a "secret"\nof two lines' },
      bbs: { url: 'https://bbs.test:8889', server_name: 'bbs.test', full_interval: 10, preferred_address: 'INSTANCE', tls: component },
      tls: component,
      mesh_domains: ['mesh.test', 'mesh.example'],
      internal_domains: ['apps.mesh.internal'],
      mirror: { from: 'test', to: 'mesh.test' },
      guard: { share: 50, minimum: 5 },
      health: { port: 19454 },
      limits: { open_files: 1000, memory: '3G' },
      log: { level: 'trace' },
    },
    links: { copilot: link('copilot.test', { listen: { port: 19443 } }) },
  },
  'istio-router': {
    properties: {
      http: { port: 8081 },
      https: { port: 8443 },
      internal: { port: 8080, tls_port: 8444, tls: component, client_certificates: 'optional' },
      labels: { istio: 'edge' },
      zone: 'z9',
      gateway_ports: { 80: 8081 },
      proxy_protocol: true,
      keypairs: [keypair, { ...keypair, name: 'second' }],
      tls: component,
      backend: component,
      rate_limit_service: component,
      trusted_hops: 1,
      trusted_cidrs: ['10.0.0.0/8'],
      access_log: { enabled: false },
      drain: { wait: 1, limit: 2 },
      load_balancer_healthy_threshold: 0,
      probe: { port: 18002 },
      health: { port: 19453 },
      envoy: { concurrency: 2, max_connections: 1000, load_at_once: 0, log_level: 'error' },
      limits: { open_files: 1000, memory: '8G' },
      log: { level: 'error' },
    },
    links: { pilot: link('pilot.test', { listen: { port: 19450 } }) },
  },
  'smoke-tests': {
    properties: {
      api: 'https://api.sys.test',
      uaa: { url: 'https://uaa.test:8443' },
      ca: component.ca,
      client: 'tests',
      client_secret: 'secret',
      mesh_domain: 'mesh.test',
      organization: 'tests',
      timeout: 5,
    },
    links: { 'istio-router': link('router.test', { http: { port: 8081 }, https: { port: 443 }, internal: { port: 0 } }) },
  },
}
