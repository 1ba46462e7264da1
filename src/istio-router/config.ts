import { Type, type Static } from 'typebox'
import { HealthConfig, ListenConfig, LogConfig, TlsConfig } from '../common/config.ts'

const closed = { additionalProperties: false } as const
const milliseconds = (description: string, value: number) =>
  Type.Integer({ minimum: 0, default: value, description: `${description}, milliseconds` })

const Listener = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 60, description: 'Its name, unique on this router' }),
    address: Type.String({ default: '0.0.0.0', description: 'IP address to bind' }),
    port: Type.Integer({ minimum: 1, maximum: 65535, description: 'TCP port' }),
    tls: Type.Boolean({ default: false, description: 'Terminate TLS with the keypairs, chosen by SNI' }),
    clientCertificates: Type.Enum(['none', 'optional', 'required'], {
      default: 'none',
      description:
        'Whether clients over TLS must show a certificate from the CAs in `backend.ca`, which issue the identities of app instances; one that is shown must be valid',
    }),
    exposure: Type.Enum(['pub', 'int'], {
      default: 'pub',
      description: '`pub` answers the mesh domains, `int` only the mesh-internal ones',
    }),
    proxyProtocol: Type.Boolean({ default: false, description: 'Expect the PROXY protocol (v1 or v2) from the load balancer' }),
  },
  closed,
)

const Keypair = Type.Object(
  {
    name: Type.String({ minLength: 1, description: 'Its name; the first one answers clients whose SNI none matches' }),
    certificate: Type.String({ description: 'File with the certificate chain, PEM; or that PEM itself' }),
    key: Type.String({ description: 'File with the private key, PEM; or that PEM itself' }),
  },
  closed,
)

/** The configuration of istio-router. Files are relative to the working directory; certificates are read again when they change. */
export const RouterConfig = Type.Object(
  {
    name: Type.String({ minLength: 1, description: 'Name of this router, unique in the deployment' }),
    engine: Type.Enum(['embedded', 'envoy'], { default: 'envoy', description: 'What proxies the traffic' }),
    labels: Type.Record(Type.String(), Type.String(), {
      default: { istio: 'ingressgateway' },
      description: "Labels that a Gateway's selector picks routers by",
    }),
    zone: Type.String({
      pattern: '^[^/*]*$',
      default: '',
      description:
        'Availability zone that this router is in, by which DestinationRules choose instances that are near; empty where unknown',
    }),
    pilot: Type.Object(
      {
        addresses: Type.Array(Type.String({ pattern: '^.+:\\d+$' }), {
          minItems: 1,
          description: 'HOST:PORT of the pilots, the preferred one first',
        }),
        tls: TlsConfig,
        serverName: Type.String({ default: 'pilot.service.cf.internal', description: "DNS name that a pilot's certificate must bear" }),
      },
      { ...closed, description: 'Where the configuration comes from' },
    ),
    listeners: Type.Array(Listener, { minItems: 1, description: 'What this router listens on' }),
    gatewayPorts: Type.Record(Type.String({ pattern: '^\\d{1,5}$' }), Type.Integer({ minimum: 1, maximum: 65535 }), {
      ...closed,
      default: {},
      description:
        'Port that this router listens on for a port of Gateways, by that. Without it 80 and 443 are the first public listeners without and with `tls`, and every other is itself',
    }),
    keypairs: Type.Array(Keypair, { default: [], description: 'TLS certificates for the listeners with `tls`' }),
    backend: Type.Object(
      {
        certificate: Type.String({ description: 'File with the certificate chain that instances are shown, PEM' }),
        key: Type.String({ description: 'File with its private key, PEM' }),
        ca: Type.String({ description: "File with the CAs of the instances' identity certificates, PEM" }),
      },
      { ...closed, description: 'TLS towards app instances' },
    ),
    rateLimitService: Type.Optional({
      ...TlsConfig,
      description:
        "Mutual TLS with the operator's rate limit service (pilot's `translation.rateLimitService`); as with pilot, where absent",
    }),
    trustedHops: Type.Integer({
      minimum: 0,
      maximum: 10,
      default: 0,
      description: 'Number of proxies in front whose X-Forwarded-For and -Proto are believed',
    }),
    trustedCidrs: Type.Array(Type.String({ pattern: '^[0-9a-fA-F:.]+/\\d{1,3}$' }), {
      default: [],
      description: 'Networks of proxies whose X-Forwarded-For and -Proto are believed',
    }),
    accessLog: Type.String({ default: '/dev/stdout', description: 'File for the access log, a JSON object a line; empty for none' }),
    cache: Type.String({
      description: 'Folder for the last good configuration, with which the router starts while no pilot is there; never contains a key',
    }),
    drain: Type.Object(
      {
        wait: milliseconds('Time between failing health and not accepting connections any more, so that load balancers notice', 0),
        limit: milliseconds('Longest time that requests in flight are given', 30_000),
      },
      { ...closed, default: {}, description: 'What happens on SIGTERM' },
    ),
    envoy: Type.Object(
      {
        path: Type.Optional(Type.String({ description: 'The Envoy binary; without it the one in PATH or in vendor/envoy' })),
        concurrency: Type.Optional(Type.Integer({ minimum: 1, description: 'Worker threads; without it one a core' })),
        maxConnections: Type.Integer({
          minimum: 1,
          default: 100_000,
          description: 'Downstream connections at most; further ones are closed',
        }),
        loadAtOnce: Type.Integer({
          minimum: 0,
          default: 2_000,
          description:
            'Hosts up to which a starting Envoy gets the clusters of all before it opens its ports. Where there are more it opens them at once, and gets those of a host when a request asks for it, or soon after',
        }),
        logLevel: Type.Enum(['trace', 'debug', 'info', 'warning', 'error', 'critical'], {
          default: 'warning',
          description: "Least severe level of Envoy's own log",
        }),
      },
      { ...closed, default: {}, description: 'For `engine: envoy`' },
    ),
    probe: Type.Optional(
      Type.Object(
        { listen: ListenConfig() },
        {
          ...closed,
          description:
            'Where load balancers ask for `/health`: 200 while this router serves, 503 while it starts or drains, and nothing else',
        },
      ),
    ),
    health: HealthConfig,
    log: LogConfig,
  },
  closed,
)
export type RouterConfig = Static<typeof RouterConfig>
