import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false } as const

const duration = (fallback: string, description: string) =>
  Type.String({ pattern: '^[1-9]\\d{0,5}(ms|s|m|h)$', default: fallback, description: `${description}; as 500ms, 30s, 15m or 1h` })

/** What an operator sets about how routes are served; `translation` in pilot's configuration. */
export const TranslationSettings = Type.Object(
  {
    requestTimeout: duration('15m', 'Time from the end of a request until its answer must be complete; upgrades and gRPC are exempt'),
    connectTimeout: duration('5s', 'Time for connecting to an instance, TLS included'),
    streamIdleTimeout: duration('1h', 'Time without a byte either way after which a request or upgraded connection is ended'),
    requestHeadersTimeout: duration('1m', 'Time for a client to send its request headers'),
    clientIdleTimeout: duration('15m', 'Time after which an idle connection of a client is closed'),
    instanceIdleTimeout: duration('1m', 'Time after which an idle connection to an instance is closed'),
    attempts: Type.Integer({ minimum: 1, maximum: 10, default: 3, description: 'Instances tried for one request' }),
    loadBalancing: Type.Enum(['round-robin', 'least-connection', 'random'], {
      default: 'round-robin',
      description: 'How a route without its own option chooses an instance',
    }),
    routingShape: Type.Enum(['rds', 'buckets'], {
      default: 'rds',
      description:
        'How hosts with rules reach the routers: `rds`, all in one route configuration, costs nothing a request and some 30 µs a rule host at each change of a rule; `buckets`, in 256 small ones, costs some 27 µs a request and next to nothing a change: for more than 2,000 hosts with rules',
    }),
    maxHeadersKilobytes: Type.Integer({
      minimum: 1,
      maximum: 8192,
      default: 64,
      description: 'Largest request headers, URL included; more is answered 431',
    }),
    maxHeaders: Type.Integer({
      minimum: 10,
      maximum: 10_000,
      default: 200,
      description: 'Largest number of request headers; more is answered 431',
    }),
    traceHeaders: Type.Object(
      {
        b3: Type.Boolean({ default: true, description: 'B3 (`b3`, `X-B3-TraceId`, `X-B3-SpanId`)' }),
        w3c: Type.Boolean({ default: true, description: 'W3C (`traceparent`)' }),
      },
      {
        ...closed,
        default: {},
        description: 'Trace headers that a request without them is given; what a client sends is passed on in any case',
      },
    ),
    stickySessions: Type.Object(
      {
        for: Type.Enum(['all', 'asked', 'none'], {
          default: 'asked',
          description:
            'Whose sessions stick to an instance: all routes\', those whose app or route has the label or annotation `mesh.cloudfoundry.org/sticky-session: "true"`, or nobody\'s',
        }),
        cookies: Type.Array(Type.String({ pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", maxLength: 200 }), {
          default: ['JSESSIONID'],
          minItems: 1,
          maxItems: 100,
          description: "Names of apps' cookies that begin a session",
        }),
      },
      { ...closed, default: {} },
    ),
    healthCheck: Type.String({
      default: 'none',
      description:
        'How routers check instances of apps that have no annotation `mesh.cloudfoundry.org/health-check` of their own, written as that is: `http:/PATH`, `tcp`, `grpc` or `grpc:SERVICE`, perhaps followed by `interval=5s timeout=1s unhealthy=3 healthy=1`; `none` for not at all. gRPC asks apps that are mapped as HTTP/2 alone',
    }),
    rateLimitService: Type.Optional(
      Type.Object(
        {
          address: Type.String({
            pattern: '^[^:/\\s]+:\\d{1,5}$',
            description: "HOST:PORT of a service that speaks Envoy's rate limit protocol (envoy.service.ratelimit.v3, gRPC)",
          }),
          tls: Type.Boolean({
            default: true,
            description: "Whether it is spoken to over TLS, with the routers' own certificate (`rateLimitService` of istio-router)",
          }),
          serverName: Type.Optional(
            Type.String({ minLength: 1, description: 'DNS name that its certificate must bear; the host of `address` where absent' }),
          ),
          domain: Type.String({ minLength: 1, default: 'mesh', description: 'Domain that the service is asked for' }),
          timeout: duration('50ms', 'Time that the service has for its answer'),
          refuseWithout: Type.Boolean({
            default: false,
            description: 'Whether requests are refused (500) while the service does not answer; else they pass',
          }),
        },
        { ...closed, description: 'Counts for RateLimits with `global: true`, for all routers together' },
      ),
    ),
    portLeases: Type.Array(
      Type.Object(
        {
          port: Type.Integer({ minimum: 1, maximum: 65535, description: "Port of a Gateway's server" }),
          spaces: Type.Array(Type.String({ minLength: 1 }), {
            minItems: 1,
            description: 'Spaces that may open it, each by guid or as ORGANIZATION/SPACE',
          }),
        },
        closed,
      ),
      { default: [], description: "Ports beside 80 and 443 that spaces may open by a Gateway; the operator's own Gateways need none" },
    ),
    egressAllowed: Type.Array(Type.String({ pattern: '^[0-9a-fA-F:.]+(/\\d{1,3})?$' }), {
      default: [],
      description:
        "Subnets that are not public and that ServiceEntries of spaces may lead to all the same, as 10.1.0.0/16; the same as copilot's `egressAllowed`",
    }),
    region: Type.String({
      pattern: '^[^/*]+$',
      default: 'cf',
      description: 'Name of the region that the availability zones of instances and routers are in, where rules name zones: REGION/ZONE',
    }),
    minimumTlsVersion: Type.Enum(['1.2', '1.3'], { default: '1.2', description: 'Oldest TLS version that clients may use' }),
  },
  { ...closed, default: {} },
)
export type TranslationSettings = Static<typeof TranslationSettings>
