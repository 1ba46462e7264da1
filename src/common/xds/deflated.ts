import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { create } from '@bufbuild/protobuf'
import { AnySchema, type Any } from '@bufbuild/protobuf/wkt'
import type { Node } from '../proto/gen/envoy/config/core/v3/base_pb.js'
import { typeUrls, type Resource } from './resources.ts'

/**
 * Route configurations in short: hosts with rules are much alike, so that they shrink to a tenth. A client that takes them says so in its
 * node's `client_features`; the resource's `Any` is then of this type, and its value the message's bytes as raw DEFLATE (RFC 1951).
 */
export const deflatedFeature = 'mesh.deflated-routes'
const typeUrl = 'type.googleapis.com/mesh.Deflated'

/** Sizes that are worth the while, and that take no longer than a millisecond; bytes. */
const bounds = { least: 512, most: 262_144 }
/** A client inflates no more than this, bytes. */
const mostInflated = 67_108_864

const made = new WeakMap<Resource, Resource>()

/** The resources as a client gets them. Each is made once for all clients. */
export function inShort(node: Node | undefined, resources: Resource[]): Resource[] {
  return node?.clientFeatures.includes(deflatedFeature) ? resources.map(deflated) : resources
}

function deflated(resource: Resource): Resource {
  const { value } = resource.any
  if (resource.typeUrl !== typeUrls.route || value.length < bounds.least || value.length > bounds.most) return resource
  let short = made.get(resource)
  if (!short) made.set(resource, (short = { ...resource, any: create(AnySchema, { typeUrl, value: deflateRawSync(value, { level: 1 }) }) }))
  return short
}

/** A resource's message, of `wanted` type, whatever way it came. Throws if it is none. */
export function inflated(any: Any, wanted: string): Any {
  return any.typeUrl === typeUrl ? create(AnySchema, { typeUrl: wanted, value: inflateRawSync(any.value, { maxOutputLength: mostInflated }) }) : any
}
