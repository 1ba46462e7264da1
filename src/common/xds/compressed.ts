import { zstdDecompressSync } from 'node:zlib'
import { create } from '@bufbuild/protobuf'
import { AnySchema, type Any } from '@bufbuild/protobuf/wkt'
import type { Node } from '../proto/gen/envoy/config/core/v3/base_pb.js'
import { compress } from '../zstd.ts'
import type { DeltaMessage } from './protocol.ts'
import { typeUrls, type Resource, type ResourceUpdate } from './resources.ts'

/**
 * Route configurations compressed (Zstandard, RFC 8878): hosts with rules are much alike, and each configuration is much like the one
 * before it. A client that takes them says so in its node's `client_features`. The resource's `Any` is then of the type `mesh.Compressed`,
 * its value the compressed message; or of `mesh.Changes`, where the dictionary is what the client has taken under that name on the same
 * stream.
 */
export const compressedFeature = 'mesh.compressed-routes'
const wholeType = 'type.googleapis.com/mesh.Compressed'
const changesType = 'type.googleapis.com/mesh.Changes'

/** Sizes that are worth the while, and that take no longer than some milliseconds; bytes. */
const bounds = { least: 512, most: 4_194_304 }
/** A client makes no more than this of a message, bytes. */
const mostMade = 67_108_864

/** The last that was made of a resource, since most clients have taken the same before. */
const made = new WeakMap<Resource, { before: Resource | undefined; short: Resource }>()

function compressed(resource: Resource, before: Resource | undefined): Resource {
  const { value } = resource.any
  if (value.length < bounds.least || value.length > bounds.most) return resource
  const last = made.get(resource)
  if (last && last.before === before) return last.short
  const any = create(AnySchema, {
    typeUrl: before ? changesType : wholeType,
    value: compress(value, before?.any.value),
  })
  const short = { ...resource, any }
  made.set(resource, { before, short })
  return short
}

/** What a server sends to one client. */
export class Compressor {
  readonly #sent = new Map<string, { resource: Resource; nonce: string; taken: boolean }>()

  /** A message as the client gets it. */
  compress(node: Node | undefined, message: DeltaMessage): DeltaMessage {
    const { typeUrl, nonce, resources, removed } = message
    if (typeUrl !== typeUrls.route || !node?.clientFeatures.includes(compressedFeature)) return message
    for (const name of removed) this.#sent.delete(name)
    const short = resources.map((resource) => {
      const before = this.#sent.get(resource.name)
      this.#sent.set(resource.name, { resource, nonce, taken: false })
      return compressed(resource, before?.taken ? before.resource : undefined)
    })
    return { ...message, resources: short }
  }

  /** The client has taken what a message had of these resources. */
  taken(nonce: string, resources: Resource[]): void {
    for (const { name } of resources) {
      const sent = this.#sent.get(name)
      if (sent?.nonce === nonce) sent.taken = true
    }
  }
}

/** What a client has taken on one stream. */
export class Decompressor {
  readonly #taken = new Map<string, Uint8Array>()

  /** A resource's message, of `wanted` type, whatever way it came. Throws if it is none. */
  decompress(any: Any, name: string, wanted: string): Any {
    if (any.typeUrl !== wholeType && any.typeUrl !== changesType) return any
    const dictionary = any.typeUrl === changesType ? this.#taken.get(name) : undefined
    return create(AnySchema, { typeUrl: wanted, value: zstdDecompressSync(any.value, { maxOutputLength: mostMade, dictionary }) })
  }

  /** A message was taken whole; before it is acknowledged. */
  taken({ changed, removed }: ResourceUpdate): void {
    for (const { typeUrl, name, any } of changed) if (typeUrl === typeUrls.route) this.#taken.set(name, any.value)
    for (const { typeUrl, name } of removed) if (typeUrl === typeUrls.route) this.#taken.delete(name)
  }
}
