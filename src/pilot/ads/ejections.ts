import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { Ejection, mostEjections } from '../../common/ejection.ts'
import type { ClientStatus } from '../../common/xds/server.ts'

/** What a router says of itself on its stream. */
const RouterReport = Type.Object({ ejected: Type.Integer(), ejections: Type.Array(Ejection, { maxItems: mostEjections }) })

/** The instances that a router says it leaves out: how many, and which. */
export function ejectionsOf(report: ClientStatus['report']): { ejected: number; ejections: Ejection[] } {
  if (!Value.Check(RouterReport, report)) return { ejected: 0, ejections: [] }
  const { ejected, ejections } = report
  return { ejected, ejections }
}
