import { create, toBinary } from '@bufbuild/protobuf'
import * as fc from 'fast-check'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { ActualLRPsResponseSchema, DesiredLRPsResponseSchema, DomainsResponseSchema } from '../../src/common/proto/gen/bbs_pb.js'
import { readTls } from '../../src/common/tls.ts'
import { Bbs } from '../../src/platform/bbs/client.ts'
import { tlsFiles } from '../platform/support/certificates.ts'
import { damaged } from './support/damage.ts'
import { actualLrps, desiredLrps, text } from './support/lrps.ts'
import { refusalOrNothing } from './support/refusals.ts'
import type { Part } from './support/run.ts'

const error = fc.option(fc.record({ type: fc.integer({ min: 0, max: 30 }), message: text }), { nil: undefined })
const answers = fc.oneof(
  damaged(
    fc
      .record({ error, desiredLrps: fc.array(desiredLrps, { maxLength: 3 }) })
      .map((fields) => toBinary(DesiredLRPsResponseSchema, create(DesiredLRPsResponseSchema, fields))),
  ),
  damaged(
    fc
      .record({ error, actualLrps: fc.array(actualLrps, { maxLength: 3 }) })
      .map((fields) => toBinary(ActualLRPsResponseSchema, create(ActualLRPsResponseSchema, fields))),
  ),
  damaged(
    fc
      .record({ error, domains: fc.array(text, { maxLength: 3 }) })
      .map((fields) => toBinary(DomainsResponseSchema, create(DomainsResponseSchema, fields))),
  ),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
)

/** The bulk answers of BBS, damaged: what comes of one is a list or a refusal. */
export const bbsLists: Part = {
  name: 'bbs-lists',
  what: "protobuf in BBS's answers",
  async run(run) {
    let answer: Buffer = Buffer.alloc(0)
    const { cert, key, ca } = readTls(tlsFiles('bbs.service.cf.internal'))
    const server = createServer({ cert, key, ca, requestCert: true }, (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end(answer)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const bbs = new Bbs({
      addresses: [`https://127.0.0.1:${(server.address() as AddressInfo).port}`],
      tls: tlsFiles('route-syncer.service.cf.internal'),
      serverName: 'bbs.service.cf.internal',
    })
    run.watch()

    await run.property(fc.tuple(fc.constantFrom('desired', 'actual', 'domains', 'ping'), answers), async ([list, bytes]) => {
      answer = bytes
      if (list === 'desired') await refusalOrNothing(drain(bbs.desiredLrps()))
      else if (list === 'actual') await refusalOrNothing(drain(bbs.actualLrps()))
      else if (list === 'domains') await refusalOrNothing(bbs.freshDomains())
      else await refusalOrNothing(bbs.ping())
    })
    await bbs.close()
    server.close()
  },
}

async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _item of items);
}
