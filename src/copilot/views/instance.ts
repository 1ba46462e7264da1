import { Type, type Static } from 'typebox'
import type { Keyed } from '../store/store.ts'
import { unique, type Related } from './related.ts'
import { Named, owner } from './schemas.ts'

export const InstanceView = Type.Object({
  guid: Type.String(),
  index: Type.Integer(),
  app: Type.Optional(Named),
  space: Type.Optional(owner.space),
  organization: owner.organization,
  process: Type.String({ description: 'Process guid in Diego' }),
  type: Type.Optional(Type.String({ description: 'Process type' })),
  address: Type.String(),
  ports: Type.Array(Type.Object({ app: Type.Integer(), plain: Type.Integer(), tls: Type.Integer() })),
  zone: Type.String(),
  since: Type.Optional(Type.String({ format: 'date-time', description: 'When it took its present state' })),
  wanted: Type.Boolean({
    description: 'Whether it may be sent to: its process is to run, and its index is below the number of instances wanted',
  }),
})
export type InstanceView = Static<typeof InstanceView>

/** Shows instances; their processes, apps and spaces are in `related`. */
export function showInstance({ key, value }: Keyed<'instance'>, related: Related): InstanceView {
  const process = related.get('process', value.process)
  const space = process && related.get('app', process.app)?.space
  return {
    guid: key,
    index: value.index,
    ...(process && { app: related.named('app', process.app), type: process.type }),
    ...(space && related.owner(space)),
    process: value.process,
    address: value.address,
    ports: value.ports,
    zone: value.zone,
    ...moment(value.since),
    wanted: process !== undefined && value.index < process.instances,
  }
}

/** Reads what `instances` refer to. */
export async function relateInstances(instances: Keyed<'instance'>[], related: Related): Promise<void> {
  const processes = await related.add('process', { keys: unique(instances.map(({ value }) => value.process)) })
  const apps = await related.add('app', { keys: unique(processes.map(({ value }) => value.app)) })
  await related.addSpaces(apps.map(({ value }) => value.space))
}

/** Diego's nanoseconds since 1970 as ISO 8601; nothing where that is no moment. */
function moment(nanoseconds: string): { since?: string } {
  const date = new Date(Number(BigInt(nanoseconds) / 1_000_000n))
  return Number.isNaN(date.getTime()) ? {} : { since: date.toISOString() }
}
