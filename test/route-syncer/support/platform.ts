import { create } from '@bufbuild/protobuf'
import { pino } from 'pino'
import { ActualLRPSchema, DesiredLRPSchema } from '../../../src/common/proto/gen/bbs_pb.js'
import type { Change } from '../../../src/mesh/records.ts'
import type { Bbs } from '../../../src/platform/bbs/client.ts'
import type { BbsEvent } from '../../../src/platform/bbs/events.ts'
import type { CloudController, ListFilter } from '../../../src/platform/cloud-controller/client.ts'
import { CloudReader } from '../../../src/route-syncer/cloud/reader.ts'
import { Published } from '../../../src/route-syncer/copilot/published.ts'
import { DiegoReader } from '../../../src/route-syncer/diego/reader.ts'
import { Guard, type GuardConfig } from '../../../src/route-syncer/guard.ts'
import { Model } from '../../../src/route-syncer/model.ts'
import { Domains, type DomainsConfig } from '../../../src/route-syncer/serving/domains.ts'
import { actualLrp, desiredLrp, type ActualOptions, type DesiredOptions } from '../../platform/support/bbs.ts'
import { FakeCloudController } from '../../platform/support/cloud-controller.ts'

export const desired = (options: DesiredOptions) => create(DesiredLRPSchema, desiredLrp(options))
export const actual = (options: ActualOptions) => create(ActualLRPSchema, actualLrp(options))

// One for all: pino keeps what it writes to until the process ends.
const silent = pino({ level: 'silent' })

/** Both sources in memory, the model fed from them, and what it has published. */
export class TestPlatform {
  readonly cc = new FakeCloudController()
  readonly desired = new Map<string, ReturnType<typeof desired>>()
  readonly actual = new Map<string, ReturnType<typeof actual>>()
  domains = ['cf-apps']
  /** Called before a list answers, after its content was taken: lets a test delay it. */
  pause: () => Promise<void> = () => Promise.resolve()
  readonly changes: Change[] = []
  readonly published = new Published((change) => this.changes.push(change))
  readonly guard: Guard
  readonly model: Model
  readonly reader: CloudReader
  readonly #bbsReader: DiegoReader

  constructor({ guard = { share: 20, minimum: 50 }, ...domains }: Partial<DomainsConfig> & { guard?: GuardConfig } = {}) {
    this.guard = new Guard(guard, silent)
    this.model = new Model({
      domains: new Domains({ meshDomains: ['mesh'], internalDomains: ['internal'], ...domains }),
      preferredAddress: 'HOST',
      published: this.published,
    })
    const list = async (path: string, _schema: unknown, filter: ListFilter = {}) => {
      const rows = this.cc.query(path, filter)
      await this.pause()
      return rows
    }
    const cc = {
      list,
      firstPage: list,
      listGuids: (path: string, schema: unknown, guids: Iterable<string>) => list(path, schema, { guids: [...guids].join(',') }),
    }
    this.reader = new CloudReader({ cc: cc as unknown as CloudController, model: this.model, guard: this.guard })
    this.#bbsReader = new DiegoReader({ bbs: this.#bbs(), model: this.model, guard: this.guard })
  }

  /** Hears an event of BBS. */
  hear(event: BbsEvent): void {
    this.model.diego.apply(event, this.model.clock.tick())
  }

  readAll(): Promise<void> {
    return this.reader.readAll(new AbortController().signal)
  }

  readChanges(): Promise<void> {
    return this.reader.readChanges(new AbortController().signal)
  }

  readBbs(): Promise<void> {
    return this.#bbsReader.readAll(new AbortController().signal)
  }

  /** Where a host and path go: `app/type:port processes` of each destination, undefined for 404. */
  answer(key: string): string[] | undefined {
    return this.published
      .get('route', key)
      ?.destinations.map(({ app, type, port, processes }) => `${app}/${type}:${port} ${processes.join('+')}`)
  }

  #bbs(): Bbs {
    const snapshot = async function* (this: TestPlatform, items: Map<string, unknown>) {
      const all = [...items.values()]
      await this.pause()
      yield* all
    }
    return {
      freshDomains: () => Promise.resolve(new Set(this.domains)),
      desiredLrps: () => snapshot.call(this, this.desired),
      actualLrps: () => snapshot.call(this, this.actual),
    } as unknown as Bbs
  }
}
