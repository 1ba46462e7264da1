import { analyse } from '../../mesh/istio/analyse.ts'
import { appsOf } from '../../mesh/istio/analyse-destinations.ts'
import { codes } from '../../mesh/istio/finding.ts'
import type { Source } from '../../mesh/rules/source.ts'
import type { Trace } from '../../mesh/rules/trace.ts'
import type { Store } from '../store/store.ts'
import { loadWorld } from './world.ts'

/** What share of a rule's requests meets nobody, and why. */
export interface Lost {
  /** 1 for all of them. */
  share: number
  why: string
}

/** What of the rule that a request met is lost since its destinations are not there, or none of their instances runs; undefined for nothing. */
export async function lostBy({ rules, outcome }: Trace, source: Source, store: Store): Promise<Lost | undefined> {
  const { rule, resource: key } = rules.at(-1) ?? { rule: '', resource: '' }
  const resource = outcome?.targets.length ? source.get('resource', key) : undefined
  const [, position] = /http\[(\d+)\]$/.exec(rule) ?? []
  if (!resource || position === undefined) return undefined
  const world = await loadWorld(store, [resource])
  const found = analyse(resource, world).filter(({ code }) => absent.includes(code))
  const faults = await Promise.all(
    outcome!.targets.map(async (target, at) => {
      const absence = found.find(({ path }) => path.startsWith(`spec.http[${position}].route[${at}].`))
      return absence ? absence.message : stoppedBy(store, target, appsOf(target, resource.metadata.namespace, world))
    }),
  )
  const shares = outcome!.targets.map(({ share }, at) => (faults[at] === undefined ? 0 : share))
  const why = faults.find((fault, at) => fault !== undefined && shares[at]! > 0)
  if (why === undefined) return undefined
  const all = outcome!.targets.every(({ share }, at) => share === 0 || faults[at] !== undefined)
  return { share: all ? 1 : shares.reduce((sum, share) => sum + share, 0), why }
}

const absent: string[] = [codes.serviceUnknown, codes.subsetUnknown, codes.subsetEmpty]

/** Why a destination's apps answer nobody; undefined where any of them runs, or it has none of its own. */
async function stoppedBy(store: Store, { host, subset }: { host: string; subset?: string }, apps?: string[]): Promise<string | undefined> {
  if (!apps) return undefined
  const processes = await store.list('process', { app: apps })
  if ((await store.list('instance', { process: processes.map(({ key }) => key) }, { limit: 1 })).length) return undefined
  return `no instance of ${host}${subset === undefined ? '' : ` (subset ${subset})`} is running`
}
