import { Type } from 'typebox'
import type { Component } from '../../components.ts'
import type { Copilot } from '../../copilot.ts'
import type { Api } from '../server.ts'

export const ComponentView = Type.Object({
  kind: Type.String(),
  name: Type.String(),
  version: Type.String(),
  ready: Type.Boolean(),
  reason: Type.Optional(Type.String({ description: 'What is wrong' })),
  lag: Type.Optional(Type.Integer({ description: 'Revisions that it has not applied yet' })),
  lastSeen: Type.String({ format: 'date-time' }),
  lost: Type.Boolean({ description: 'Whether it has not reported for 15 s' }),
  report: Type.Object({}, { additionalProperties: true, description: 'All that it said last' }),
})

/** The components that report. */
export function componentList(api: Api, { store, components }: Copilot): void {
  api.get(
    '/v1/components',
    { schema: { summary: 'Components, as they last reported', response: { 200: Type.Object({ items: Type.Array(ComponentView) }) } } },
    async () => ({
      items: components.list().map((component) => showComponent(component, store.state.revision)),
    }),
  )
}

export function showComponent({ kind, name, report, lastSeen, lost }: Component, revision: number) {
  return {
    kind,
    name,
    version: report.version,
    ready: report.ready && !lost,
    ...(typeof report['reason'] === 'string' && { reason: report['reason'] }),
    ...(report.revision !== undefined && { lag: Math.max(0, revision - report.revision) }),
    lastSeen: new Date(lastSeen).toISOString(),
    lost,
    report,
  }
}
