import { setImmediate as breathe } from 'node:timers/promises'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { MethodDefinition } from '@grpc/grpc-js'
import { create, fromBinary, fromJson, toBinary, toJson, type MessageInitShape } from '@bufbuild/protobuf'
import { anyPack, anyUnpack, AnySchema, StructSchema } from '@bufbuild/protobuf/wkt'
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  ResourceSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
} from '../proto/gen/envoy/service/discovery/v3/discovery_pb.js'
import { bytesOf, message, text } from '../proto/compose.ts'
import { StatusSchema, type Status } from '../proto/gen/google/rpc/status_pb.js'
import { typeUrls, type Refusal, type Resource } from './resources.ts'

export type { DeltaDiscoveryRequest, DeltaDiscoveryResponse, Status }

/**
 * Header of a stream's request, `true` where the client has no resources: then a server that is still learning what there is can serve it
 * already.
 */
export const emptyHeader = 'mesh-empty'

/** HTTP/2 flow-control window, so that 100,000 resources stream without waiting for the reader's round trips; bytes. */
export const flowControlWindow = 64 * 1024 * 1024

const method = {
  path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  requestStream: true,
  responseStream: true,
} as const

/** The method as a server sees it: requests are decoded as far as is needed, responses are encoded already. */
export const deltaServerMethod: MethodDefinition<IncomingRequest, Buffer> = {
  ...method,
  requestSerialize: () => Buffer.alloc(0),
  requestDeserialize: decodeRequest,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
}

/** The method as a client sees it: its requests are encoded already. */
export const deltaClientMethod: MethodDefinition<Buffer, DeltaDiscoveryResponse> = {
  ...method,
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (response: DeltaDiscoveryResponse) => Buffer.from(toBinary(DeltaDiscoveryResponseSchema, response)),
  responseDeserialize: (bytes: Buffer) => fromBinary(DeltaDiscoveryResponseSchema, bytes),
}

export function encodeRequest(request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): Buffer {
  return Buffer.from(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, request)))
}

/** Versions encoded before others have their turn; about a millisecond's work. */
const versionsAtOnce = 2_000

/**
 * Encodes a request with its `initial_resource_versions`, of which there may be 100,000, piece by piece, so that it holds up nobody else.
 */
export async function encodeSubscription(
  request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>,
  versions: Iterable<[name: string, version: string]>,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [encodeRequest(request)]
  let writer = new BinaryWriter()
  let count = 0
  for (const [name, version] of versions) {
    writer.tag(versionsField, WireType.LengthDelimited).fork()
    writer.tag(1, WireType.LengthDelimited).string(name).tag(2, WireType.LengthDelimited).string(version).join()
    if (++count % versionsAtOnce) continue
    pieces.push(writer.finish())
    writer = new BinaryWriter()
    await breathe()
  }
  pieces.push(writer.finish())
  return Buffer.concat(pieces)
}

/** A request whose `initial_resource_versions`, of which there may be 100,000, are decoded as they are read. */
export interface IncomingRequest extends Omit<DeltaDiscoveryRequest, 'initialResourceVersions' | '$typeName' | '$unknown'> {
  versions: () => Iterable<[name: string, version: string]>
}

const versionsField = DeltaDiscoveryRequestSchema.field.initialResourceVersions.number

/** Decodes a DeltaDiscoveryRequest, but for its versions. Throws if the bytes are none. */
export function decodeRequest(bytes: Uint8Array): IncomingRequest {
  const rest: Uint8Array[] = []
  const reader = new BinaryReader(bytes)
  let start = 0
  while (reader.pos < reader.len) {
    const at = reader.pos
    const [field, wireType] = reader.tag()
    reader.skip(wireType)
    if (field !== versionsField) continue
    if (at > start) rest.push(bytes.subarray(start, at))
    start = reader.pos
  }
  rest.push(bytes.subarray(start))
  return { ...fromBinary(DeltaDiscoveryRequestSchema, Buffer.concat(rest)), versions: () => readVersions(bytes) }
}

function* readVersions(bytes: Uint8Array): Generator<[string, string]> {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field !== versionsField) reader.skip(wireType)
    else yield readEntry(reader)
  }
}

/** One entry of a protobuf map of strings: a message whose field 1 is the key, and 2 the value. */
function readEntry(reader: BinaryReader): [string, string] {
  const entry: [string, string] = ['', '']
  const end = reader.uint32() + reader.pos
  while (reader.pos < end) {
    const [field, wireType] = reader.tag()
    if (field === 1 || field === 2) entry[field - 1] = reader.string()
    else reader.skip(wireType)
  }
  return entry
}

/**
 * The type of a request that subscribes to nothing: its node's metadata is what the client has to say of itself. The server answers the
 * first one of a stream, with nothing in it, once the client has taken all that there was when it came. A server that does not know the
 * type passes over it, as over any unknown type.
 */
export const reportType = 'type.googleapis.com/mesh.Report'

export interface DeltaMessage {
  typeUrl: string
  nonce: string
  resources: Resource[]
  removed: string[]
}

const { field: responseFields } = DeltaDiscoveryResponseSchema
const [resourceField, systemType, nonceField, removedName] = [
  message(responseFields.resources),
  text(responseFields.typeUrl),
  text(responseFields.nonce),
  text(responseFields.removedResources),
]
const [resourceName, resourceVersion, resourceAny] = [
  text(ResourceSchema.field.name),
  text(ResourceSchema.field.version),
  message(ResourceSchema.field.resource),
]
const [anyType, anyValue] = [text(AnySchema.field.typeUrl), message(AnySchema.field.value)]

/** Encodes a DeltaDiscoveryResponse around the resources' own bytes, which everybody shares. */
export function encodeResponse({ typeUrl, nonce, resources, removed }: DeltaMessage): Buffer {
  const parts: Uint8Array[] = []
  for (const { name, version, any } of resources) {
    const { length } = any.value
    const head = resourceName(name) + resourceVersion(version) + resourceAny(anyType(any.typeUrl) + anyValue('', length), length)
    parts.push(bytesOf(resourceField(head, length)), any.value)
  }
  return Buffer.concat([...parts, bytesOf(systemType(typeUrl) + nonceField(nonce) + removed.map(removedName).join(''))])
}

/** What a client goes on with of resources that it refuses, by name: the message's bytes, empty where it has none. */
export type Held = ReadonlyMap<string, Uint8Array>

/** A client's held message inflates to no more than this, bytes. */
const mostHeld = 67_108_864

/**
 * The `error_detail` of a NACK that names what was refused: a `google.protobuf.Struct` {typeUrl, name, version, reason} for each, with
 * `holds`, base64 of raw DEFLATE, where it tells what it goes on with. The rest of the message holds. Envoy sends no such details.
 */
export function refusalStatus(refusals: Refusal[], held: Held = new Map()): Status {
  const holds = (name: string): { holds?: string } => {
    const bytes = held.get(name)
    return bytes ? { holds: deflateRawSync(bytes, { level: 1 }).toString('base64') } : {}
  }
  return create(StatusSchema, {
    code: 3,
    message: refusals
      .map(({ name, reason }) => `${name}: ${reason}`)
      .join('; ')
      .slice(0, 4096),
    details: refusals.map(({ typeUrl, name, version, reason }) =>
      anyPack(StructSchema, fromJson(StructSchema, { typeUrl, name, version, reason, ...holds(name) })),
    ),
  })
}

/** The refusals that a NACK names; empty if it names none. */
export function refusalsOf(status: Status): Refusal[] {
  return status.details.flatMap((detail) => {
    const struct = anyUnpack(detail, StructSchema)
    if (!struct) return []
    const { typeUrl, name, version, reason } = toJson(StructSchema, struct)
    return [typeUrl, name, version, reason].every((field) => typeof field === 'string')
      ? [{ typeUrl, name, version, reason } as Refusal]
      : []
  })
}

/** What a NACK tells of what its sender goes on with. Throws if that cannot be read. */
export function heldOf(status: Status): Held {
  const held = new Map<string, Uint8Array>()
  for (const detail of status.details) {
    const struct = anyUnpack(detail, StructSchema)
    const { name, holds } = (struct ? toJson(StructSchema, struct) : {}) as { name?: unknown; holds?: unknown }
    if (typeof name === 'string' && typeof holds === 'string')
      held.set(name, inflateRawSync(Buffer.from(holds, 'base64'), { maxOutputLength: mostHeld }))
  }
  return held
}

const shortNames = new Map<string, string>(Object.entries(typeUrls).map(([name, typeUrl]) => [typeUrl, name]))

/** A resource type as people say it: `cluster`, `endpoint`, `listener`, `route`, `secret`. */
export function typeName(typeUrl: string): string {
  return shortNames.get(typeUrl) ?? typeUrl.slice(typeUrl.lastIndexOf('.') + 1)
}
