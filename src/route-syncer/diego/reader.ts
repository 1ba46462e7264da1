import type { Bbs } from '../../platform/bbs/client.ts'
import type { Guard, Tally } from '../guard.ts'
import type { Model } from '../model.ts'

/** Reads BBS's bulk lists into the model, beside the events that come meanwhile. */
export class DiegoReader {
  readonly #bbs: Bbs
  readonly #model: Model
  readonly #guard: Guard

  constructor({ bbs, model, guard }: { bbs: Bbs; model: Model; guard: Guard }) {
    this.#bbs = bbs
    this.#model = model
    this.#guard = guard
  }

  /** Reads everything. What is gone is removed where BBS says that it is up to date, unless that is too much to believe. */
  async readAll(signal: AbortSignal): Promise<void> {
    const { diego, clock } = this.#model
    const bbs = this.#bbs
    const begun = clock.tick()
    const seen = { processes: new Set<string>(), actuals: new Set<string>() }
    const fresh = await bbs.freshDomains(signal)
    for await (const lrp of bbs.desiredLrps(signal)) {
      seen.processes.add(lrp.processGuid)
      diego.applyDesired(lrp, begun)
    }
    for await (const lrp of bbs.actualLrps(signal)) {
      const key = diego.applyActual(lrp, begun)
      if (key) seen.actuals.add(key)
    }
    this.#remove(diego.missing(seen, begun, fresh), begun)
    diego.forgetRemovals(begun)
  }

  #remove(missing: { processes: string[]; actuals: string[] }, begun: number): void {
    const model = this.#model
    const { diego, clock } = model
    const going = this.#instancesGoing(missing)
    this.#guard.submit({
      source: 'bbs',
      has: model.tally,
      removes: { routes: 0, instances: going.size, apps: 0 },
      disputed: () => this.#disputed(going),
      apply: () => {
        const at = clock.tick()
        for (const key of missing.actuals) if (diego.stillMissing('actual', key, begun)) diego.dropActual(key)
        for (const guid of missing.processes) if (diego.stillMissing('process', guid, begun)) diego.dropProcess(guid, at)
      },
    })
  }

  /** Instances that copilot has and would lose. */
  #instancesGoing(missing: { processes: string[]; actuals: string[] }): Set<string> {
    const { diego } = this.#model
    const rows = missing.actuals.flatMap((key) => diego.instanceOfRow(key)?.guid ?? [])
    const whole = missing.processes.flatMap((process) => [...diego.instancesOf(process)])
    return new Set([...rows, ...whole].filter((guid) => this.#model.isServed(guid)))
  }

  /** Of these instances, those that Cloud Controller wants and that no other one replaces. */
  #disputed(going: Set<string>): Tally {
    const model = this.#model
    let instances = 0
    for (const guid of going) {
      const instance = model.diego.instance(guid)
      if (instance && model.isWanted(instance.process, instance.index) && !model.isReplaced(guid, going)) instances++
    }
    return { routes: 0, instances, apps: 0 }
  }
}
