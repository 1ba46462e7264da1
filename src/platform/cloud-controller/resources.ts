import { Type, type Static } from 'typebox'

/** What the mesh reads of Cloud Controller's resources. Everything else they carry is ignored. */

const text = Type.String()
const guid = Type.String({ minLength: 1 })
const reference = Type.Object({ data: Type.Object({ guid }) })
const strings = Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]))
const metadata = Type.Optional(Type.Object({ labels: Type.Optional(strings), annotations: Type.Optional(strings) }))
const time = Type.Optional(Type.Union([Type.String(), Type.Null()]))
const times = { created_at: time, updated_at: time }

export const Organization = Type.Object({ guid, name: text, suspended: Type.Optional(Type.Boolean()), ...times })
export type Organization = Static<typeof Organization>

export const Space = Type.Object({ guid, name: text, ...times, relationships: Type.Object({ organization: reference }) })
export type Space = Static<typeof Space>

export const Domain = Type.Object({ guid, name: text, internal: Type.Optional(Type.Boolean()), ...times })
export type Domain = Static<typeof Domain>

export const App = Type.Object({ guid, name: text, state: text, ...times, metadata, relationships: Type.Object({ space: reference }) })
export type App = Static<typeof App>

export const Process = Type.Object({
  guid,
  type: text,
  instances: Type.Integer({ minimum: 0 }),
  ...times,
  relationships: Type.Object({ app: reference }),
})
export type Process = Static<typeof Process>

export const Destination = Type.Object({
  app: Type.Object({ guid, process: Type.Optional(Type.Union([Type.Object({ type: text }), Type.Null()])) }),
  port: Type.Optional(Type.Union([Type.Integer({ minimum: 0, maximum: 65535 }), Type.Null()])),
  protocol: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  weight: Type.Optional(Type.Union([Type.Integer({ minimum: 0, maximum: 100 }), Type.Null()])),
})
export type Destination = Static<typeof Destination>

export const Route = Type.Object({
  guid,
  ...times,
  url: text,
  protocol: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  port: Type.Optional(Type.Union([Type.Integer(), Type.Null()])),
  destinations: Type.Array(Destination),
  options: Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])),
  metadata,
  relationships: Type.Object({ space: reference, domain: reference }),
})
export type Route = Static<typeof Route>

export const AuditEvent = Type.Object({
  guid,
  type: text,
  created_at: text,
  target: Type.Optional(Type.Union([Type.Object({ guid: text }), Type.Null()])),
  data: Type.Optional(Type.Unknown()),
})
export type AuditEvent = Static<typeof AuditEvent>
