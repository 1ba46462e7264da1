import { hash } from 'node:crypto'
import { create, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import type { Node } from '../proto/gen/envoy/config/core/v3/base_pb.js'
import { AnySchema, type Any } from '@bufbuild/protobuf/wkt'

/** The resource types that flow from pilot to routers, in the order in which they must arrive (make before break). */
export const typeUrls = {
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  scope: 'type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
} as const

/** One xDS resource, encoded once and shared by everybody it is sent to. */
export interface Resource {
  typeUrl: string
  name: string
  /** Hash of the content, so that the same content has the same version on every pilot. */
  version: string
  any: Any
  /** What clients get in its place, where they differ; asked whenever it is sent. It has another version whenever one of those has. */
  forNode?: (node: Node) => Resource
}

/** A set of changes that belong together. */
export interface ResourceUpdate {
  changed: Resource[]
  removed: { typeUrl: string; name: string }[]
}

/** A resource that a router could not take; it goes on with the last version that it accepted. */
export interface Refusal {
  typeUrl: string
  name: string
  version: string
  reason: string
}

/** `message` as a `google.protobuf.Any`. */
export function pack<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Any {
  return create(AnySchema, { typeUrl: `type.googleapis.com/${schema.typeName}`, value: toBinary(schema, message) })
}

/** Encodes `message` as a resource whose version is the hash of its bytes. */
export function encodeResource<Desc extends DescMessage>(schema: Desc, name: string, message: MessageShape<Desc>): Resource {
  return encodedResource(`type.googleapis.com/${schema.typeName}`, name, toBinary(schema, message))
}

/** A resource from a message that is encoded already. */
export function encodedResource(typeUrl: string, name: string, value: Uint8Array<ArrayBuffer>): Resource {
  return { typeUrl, name, version: hash('sha256', value, 'base64url').slice(0, 16), any: { $typeName: AnySchema.typeName, typeUrl, value } }
}
