import * as fc from 'fast-check'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createLogger } from '../../src/common/log.ts'
import { readTls } from '../../src/common/tls.ts'
import type { Change } from '../../src/mesh/records.ts'
import { CopilotClient } from '../../src/pilot/copilot-client.ts'
import { tlsFiles } from '../platform/support/certificates.ts'
import { damagedText } from './support/damage.ts'
import { text } from './support/lrps.ts'
import type { Part } from './support/run.ts'

const change = fc.record({
  kind: fc.constantFrom('app', 'route', 'instance'),
  key: text,
  value: fc.oneof(fc.constant(null), fc.dictionary(text, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 })),
})
const changes = fc.array(change, { maxLength: 3 })
const position = fc.record({ history: fc.constantFrom('h', 'i'), revision: fc.nat(100) })
const line = fc.oneof(
  position.map((snapshot) => ({ snapshot })),
  changes.map((records) => ({ records })),
  position.map((synced) => ({ synced })),
  fc.record({ revision: fc.nat(100), changes }),
  fc.jsonValue({ maxDepth: 2 }),
)
const streams = fc.oneof(
  {
    weight: 4,
    arbitrary: damagedText(fc.array(line, { maxLength: 6 }).map((lines) => lines.map((value) => `${JSON.stringify(value)}\n`).join(''))),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)) },
)

/** Watch streams of copilot, damaged: only whole changes are applied, and the client comes back for the next one. */
export const copilotStream: Part = {
  name: 'copilot-stream',
  what: "the lines of copilot's watch, as pilot reads them",
  async run(run) {
    let answer: Buffer = Buffer.alloc(0)
    let asked = 0
    let onAsked = (): void => {}
    const { cert, key, ca } = readTls(tlsFiles('copilot.service.cf.internal'))
    const server = createServer({ cert, key, ca, requestCert: true }, (_request, response) => {
      asked++
      onAsked()
      response.writeHead(200).end(answer)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const broken: string[] = []
    const look = (all: Change[]): Promise<void> => {
      for (const { kind, key, value } of all)
        if (typeof kind !== 'string' || typeof key !== 'string' || typeof value !== 'object')
          broken.push(JSON.stringify({ kind, key, value }))
      return Promise.resolve()
    }
    const client = new CopilotClient(
      {
        url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
        serverName: 'copilot.service.cf.internal',
        tls: tlsFiles('pilot.service.cf.internal'),
      },
      { begin() {}, read: look, finish: look, abandon() {}, apply: look },
      createLogger('fuzz', 'silent'),
      { maxBackoff: 1 },
    )
    await client.start()
    run.watch()
    await run.property(streams, async (bytes) => {
      answer = bytes
      const before = asked
      // The second request after it is the first to follow an answer that was surely this one.
      await new Promise<void>((resolve) => (onAsked = () => asked >= before + 2 && resolve()))
      if (broken.length) throw new Error(`applied ${broken.join()}`)
    })
    await client.stop()
    server.close()
    server.closeAllConnections()
  },
}
