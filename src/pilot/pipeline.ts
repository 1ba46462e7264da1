import { setImmediate as breathe } from 'node:timers/promises'
import type { ResourceUpdate } from '../common/xds/resources.ts'
import type { Change } from '../mesh/records.ts'
import type { Follower } from './copilot-client.ts'
import type { Translator } from './translate/translator.ts'

/** Changes that are translated before the event loop gets its turn. */
const slice = 500

/**
 * Leads copilot's records through the translation to `publish`, a set of changes as one update. Long sets are worked through in
 * slices, so that nothing else of the process waits.
 */
export class Pipeline implements Follower {
  readonly #translator: Translator
  readonly #publish: (update: ResourceUpdate) => void

  constructor(translator: Translator, publish: (update: ResourceUpdate) => void) {
    this.#translator = translator
    this.#publish = publish
    publish({ changed: translator.constants, removed: [] })
  }

  async replace(records: Change[]): Promise<void> {
    await this.apply(this.#translator.model.difference(records))
  }

  async apply(changes: Change[]): Promise<void> {
    const changed = new Map<string, ResourceUpdate['changed'][number]>()
    const removed = new Map<string, ResourceUpdate['removed'][number]>()
    for (let start = 0; start < changes.length; start += slice) {
      if (start) await breathe()
      const update = this.#translator.apply(changes.slice(start, start + slice))
      for (const resource of update.changed) replaceIn(changed, removed, resource)
      for (const gone of update.removed) replaceIn(removed, changed, gone)
    }
    this.#publish({ changed: [...changed.values()], removed: [...removed.values()] })
  }
}

/** Of what is said about a resource, the last word counts. */
function replaceIn<Said extends { typeUrl: string; name: string }>(said: Map<string, Said>, contrary: Map<string, unknown>, value: Said): void {
  const id = `${value.typeUrl} ${value.name}`
  contrary.delete(id)
  said.set(id, value)
}
