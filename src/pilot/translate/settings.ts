import { Type, type Static } from 'typebox'

const seconds = (fallback: number, description: string, minimum = 0.001) => Type.Number({ minimum, maximum: 31_536_000, default: fallback, description: `${description}, in seconds` })

/** What an operator sets about how routes are served; `translation` in pilot's configuration. */
export const TranslationSettings = Type.Object(
  {
    requestTimeout: seconds(900, 'Time from a request\'s end until its answer must be complete; upgrades and gRPC are exempt'),
    connectTimeout: seconds(5, 'Time for connecting to an instance, TLS included'),
    streamIdleTimeout: seconds(3600, 'Time without a byte either way after which a request or upgraded connection is ended'),
    requestHeadersTimeout: seconds(60, 'Time for a client to send its request headers'),
    clientIdleTimeout: seconds(900, 'Time after which a client\'s idle connection is closed'),
    instanceIdleTimeout: seconds(60, 'Time after which an idle connection to an instance is closed'),
    attempts: Type.Integer({ minimum: 1, maximum: 10, default: 3, description: 'Instances tried for one request' }),
    loadBalancing: Type.Enum(['round-robin', 'least-connection', 'random'], { default: 'round-robin', description: 'How a route without its own option chooses an instance' }),
    maxHeadersKilobytes: Type.Integer({ minimum: 1, maximum: 8192, default: 64, description: 'Largest request headers, URL included; more is answered 431' }),
    maxHeaders: Type.Integer({ minimum: 10, maximum: 10_000, default: 200, description: 'Largest number of request headers; more is answered 431' }),
    minimumTlsVersion: Type.Enum(['1.2', '1.3'], { default: '1.2', description: 'Oldest TLS version that clients may use' }),
  },
  { additionalProperties: false, default: {} },
)
export type TranslationSettings = Static<typeof TranslationSettings>
