import { described } from './descriptions.ts'
import istio from './fields.json' with { type: 'json' }
import type { ResourceKind } from './types.ts'

/** A field of a resource: its type and, where it has inner fields, those. */
export interface Field {
  description?: string
  required?: boolean
  /** `string`, `number`, `boolean`, `object` with `fields`, `list` and `map` with `of`; or several with `or` between. */
  type: string
  /** What a string can be, where not everything. */
  values?: string[]
  fields?: Record<string, Field>
  of?: Field
}

const virtualService = described(istio.VirtualService, 'VirtualService')
const text = (description: string): Field => ({ description, type: 'string', required: true })

const rateLimit: Field = {
  description: 'How many requests pass in a time; the others are answered 429 with Retry-After and RateLimit headers.',
  type: 'object',
  fields: {
    hosts: { description: 'Hosts of routes, as in a VirtualService.', required: true, type: 'list', of: { type: 'string' } },
    match: {
      ...virtualService.fields!['http']!.of!.fields!['match']!,
      description: 'Requests that count, as in a VirtualService; all requests of the hosts where absent.',
    },
    limits: {
      description: 'Every one of them must let a request pass.',
      required: true,
      type: 'list',
      of: {
        type: 'object',
        fields: {
          per: text('Who has a count of his own: client-ip, header:NAME (a value each), or route (all requests together).'),
          requests: { description: 'How many may come in a unit of time.', type: 'number', required: true },
          unit: { ...text('The time in which they may come.'), values: ['second', 'minute', 'hour', 'day'] },
          burst: { description: 'How many may come at once beyond the steady rate; as many as `requests` where absent.', type: 'number' },
        },
      },
    },
    global: {
      description: "Counted for all routers together by the operator's rate limit service, instead of by each router.",
      type: 'boolean',
    },
  },
}

/** The fields of each kind's `spec`. */
export const specs: Record<ResourceKind, Field> = {
  Gateway: {
    description: 'Which hosts the routers answer on which ports, and with which certificates.',
    ...described(istio.Gateway, 'Gateway'),
  },
  VirtualService: { description: 'Where requests for its hosts go: matches, splits, rewrites, faults, retries.', ...virtualService },
  DestinationRule: {
    description: 'How requests reach a service: its subsets, load balancing, connection pool, outlier detection.',
    ...described(istio.DestinationRule, 'DestinationRule'),
  },
  ServiceEntry: {
    description: 'A service outside of the platform that rules can send to.',
    ...described(istio.ServiceEntry, 'ServiceEntry'),
  },
  RateLimit: rateLimit,
}

/** Every field that has no inner ones, by its path: `[]` stands for any item of a list, `{}` for any of a map. */
export function* leaves(field: Field, path = ''): Generator<[path: string, field: Field]> {
  if (field.fields) {
    for (const [name, inner] of Object.entries(field.fields)) yield* leaves(inner, path ? `${path}.${name}` : name)
  } else if (field.of?.fields) {
    yield* leaves(field.of, `${path}${field.type === 'list' ? '[]' : '{}'}`)
  } else {
    yield [path, field]
  }
}
