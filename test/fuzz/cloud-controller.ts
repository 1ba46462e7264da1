import * as fc from 'fast-check'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { CloudController } from '../../src/platform/cloud-controller/client.ts'
import { App, AuditEvent, Domain, Process, Route, Space } from '../../src/platform/cloud-controller/resources.ts'
import { damagedText } from './support/damage.ts'
import { text } from './support/lrps.ts'
import { refusalOrNothing } from './support/refusals.ts'
import type { Part } from './support/run.ts'

const anything = fc.oneof(text, fc.integer(), fc.constant(null), fc.object({ maxDepth: 2 }), fc.array(fc.anything(), { maxLength: 2 }))
/** A field that is as it should be, most of the time. */
const mostly = <T>(good: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 12, arbitrary: good }, { weight: 1, arbitrary: anything })
const reference = mostly(fc.record({ data: mostly(fc.record({ guid: mostly(text) })) }))
const metadata = mostly(
  fc.record({
    labels: mostly(fc.dictionary(text, mostly(text), { maxKeys: 3 })),
    annotations: mostly(fc.dictionary(text, mostly(text), { maxKeys: 3 })),
  }),
)
const destination = mostly(
  fc.record(
    {
      app: mostly(fc.record({ guid: mostly(text), process: mostly(fc.record({ type: mostly(text) })) })),
      port: mostly(fc.integer({ min: 0, max: 70_000 })),
      protocol: mostly(text),
      weight: mostly(fc.integer({ min: -1, max: 101 })),
    },
    { requiredKeys: [] },
  ),
)

const resource = fc.record(
  {
    guid: mostly(text),
    name: mostly(text),
    type: mostly(text),
    state: mostly(text),
    internal: mostly(fc.boolean()),
    instances: mostly(fc.integer({ min: -1 })),
    created_at: mostly(text),
    updated_at: mostly(text),
    url: mostly(text),
    options: mostly(fc.dictionary(text, anything, { maxKeys: 3 })),
    destinations: mostly(fc.array(destination, { maxLength: 3 })),
    metadata,
    relationships: mostly(fc.record({ space: reference, domain: reference, app: reference, organization: reference })),
    target: mostly(fc.record({ guid: mostly(text) })),
    data: anything,
  },
  { requiredKeys: ['guid', 'name', 'type', 'state', 'url', 'relationships'] },
)
const page = fc.record({
  pagination: mostly(
    fc.record({
      total_results: mostly(fc.integer({ min: 0, max: 3 })),
      next: mostly(
        fc.oneof(
          fc.constant(null),
          fc.record({ href: mostly(fc.oneof(fc.constantFrom('/v3/routes?page=2', 'http://[', 'https://elsewhere.test/v3/routes'), text)) }),
        ),
      ),
    }),
  ),
  resources: mostly(fc.array(resource, { maxLength: 3 })),
})
const bodies = fc.oneof(
  { weight: 3, arbitrary: page.map((body) => Buffer.from(JSON.stringify(body) ?? '')) },
  { weight: 2, arbitrary: damagedText(page.map((body) => JSON.stringify(body))) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)) },
)
const statuses = fc.oneof({ weight: 9, arbitrary: fc.constant(200) }, { weight: 1, arbitrary: fc.constantFrom(400, 401, 404, 500) })
const headers = fc.dictionary(
  fc.constantFrom('content-type', 'retry-after', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'link'),
  fc.oneof(fc.constantFrom('application/json', '-1', 'NaN', '0'), fc.string({ unit: fc.constantFrom('a', '1', '-', ';'), maxLength: 8 })),
  { maxKeys: 2 },
)

const lists: [path: string, schema: TSchema][] = [
  ['/v3/routes', Route],
  ['/v3/apps', App],
  ['/v3/processes', Process],
  ['/v3/spaces', Space],
  ['/v3/domains', Domain],
  ['/v3/audit_events', AuditEvent],
]

/**
 * Answers of Cloud Controller with wrong types, half pages and strange headers: what comes of one is a list of valid resources or a
 * refusal.
 */
export const cloudController: Part = {
  name: 'cloud-controller',
  what: "bodies and headers of Cloud Controller's answers",
  async run(run) {
    let answer = { status: 200, headers: {}, body: Buffer.alloc(0) as Buffer }
    const server = createServer((_request, response) => void response.writeHead(answer.status, answer.headers).end(answer.body)).listen(
      0,
      '127.0.0.1',
    )
    await once(server, 'listening')
    const client = new CloudController({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      tokens: { token: () => Promise.resolve('token'), discard: () => {} },
      attempts: 1,
    })
    run.watch()
    await run.property(fc.tuple(fc.constantFrom(...lists), statuses, headers, bodies), async ([[path, schema], status, extra, body]) => {
      // A rate limit that is used up is waited for, which is right and slow.
      answer = { status, headers: 'retry-after' in extra ? {} : extra, body }
      await refusalOrNothing(
        client.list(path, schema).then((resources) => {
          for (const resource of resources)
            if (!Value.Check(schema, resource)) throw new Error(`a resource that is none: ${JSON.stringify(resource)}`)
        }),
      )
    })
    await client.close()
    server.close()
  },
}
