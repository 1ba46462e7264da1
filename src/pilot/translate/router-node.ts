import { Ajv } from 'ajv'
import { Type, type Static } from 'typebox'
import { describeFault } from '../../common/config.ts'
import { problem } from '../../common/problem.ts'

export const NodeInvalid = problem(
  'MESH_NODE_INVALID',
  422,
  (node: string, faults: string[]) => `the router ${node} describes itself wrongly: ${faults.join('; ')}`,
)

const port = Type.Integer({ minimum: 1, maximum: 65535 })

const ListenerSpec = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 60 }),
  address: Type.String({ minLength: 1 }),
  port,
  tls: Type.Boolean({ default: false }),
  clientCertificates: Type.Enum(['none', 'optional', 'required'], { default: 'none' }),
  exposure: Type.Enum(['pub', 'int'], { default: 'pub' }),
  proxyProtocol: Type.Boolean({ default: false }),
})
/** A listener that a router wants. */
export type ListenerSpec = Static<typeof ListenerSpec>

const RouterNode = Type.Object({
  labels: Type.Record(Type.String(), Type.String(), { default: {} }),
  listeners: Type.Array(ListenerSpec, { default: [] }),
  gatewayPorts: Type.Record(Type.String({ pattern: '^\\d{1,5}$' }), port, { default: {} }),
  keypairs: Type.Array(Type.String({ minLength: 1 }), { default: [] }),
  trustedHops: Type.Integer({ minimum: 0, maximum: 100, default: 0 }),
  trustedCidrs: Type.Array(Type.String({ pattern: '^[0-9a-fA-F:.]+/\\d{1,3}$' }), { default: [] }),
  accessLog: Type.String({ default: '' }),
})
/** What a router tells of itself in its xDS node's metadata (docs/architecture.md, contract 3). */
export type RouterNode = Static<typeof RouterNode>

const validate = new Ajv({ allErrors: true, useDefaults: true, strict: false }).compile<RouterNode>(RouterNode)

/** Reads the metadata of a router's xDS node. Unknown fields are ignored. Throws `NodeInvalid` with every fault. */
export function readNode(id: string, metadata: unknown): RouterNode {
  const node: unknown = structuredClone(metadata ?? {})
  if (!validate(node)) throw NodeInvalid(id, (validate.errors ?? []).map(describeFault))
  const faults = duplicates(node.listeners.map(({ name }) => name)).map((name) => `listeners: two are named ${name}`)
  if (node.listeners.some(({ tls }) => tls) && node.keypairs.length === 0) faults.push('keypairs: a listener with TLS needs at least one')
  if (faults.length) throw NodeInvalid(id, faults)
  return node
}

function duplicates(names: string[]): string[] {
  return names.filter((name, position) => names.indexOf(name) !== position)
}
