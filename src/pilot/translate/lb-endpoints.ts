import { UInt32ValueSchema } from '@bufbuild/protobuf/wkt'
import { AddressSchema, SocketAddressSchema } from '../../common/proto/gen/envoy/config/core/v3/address_pb.js'
import { LocalitySchema, MetadataSchema } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import {
  EndpointSchema,
  LbEndpointSchema,
  LocalityLbEndpointsSchema,
} from '../../common/proto/gen/envoy/config/endpoint/v3/endpoint_components_pb.js'
import { ClusterLoadAssignmentSchema } from '../../common/proto/gen/envoy/config/endpoint/v3/endpoint_pb.js'
import { encodedResource, typeUrls, type Resource } from '../../common/xds/resources.ts'
import type { Locality } from '../../mesh/locality.ts'
import { bytesOf, entry, message, struct, text, whole, type Bytes } from '../../common/proto/compose.ts'

const assignmentFields = ClusterLoadAssignmentSchema.field
const clusterName = text(assignmentFields.clusterName)
const endpoints = message(assignmentFields.endpoints)
const namedEndpoint = entry(assignmentFields.namedEndpoints)

const groupFields = LocalityLbEndpointsSchema.field
const locality = message(groupFields.locality)
const lbEndpoint = message(groupFields.lbEndpoints)
const groupWeight = message(groupFields.loadBalancingWeight)
const priority = whole(groupFields.priority)
const [region, zone, subZone] = [text(LocalitySchema.field.region), text(LocalitySchema.field.zone), text(LocalitySchema.field.subZone)]

const endpoint = message(LbEndpointSchema.field.endpoint)
const metadata = message(LbEndpointSchema.field.metadata)
const filterMetadata = entry(MetadataSchema.field.filterMetadata)
const endpointWeight = message(LbEndpointSchema.field.loadBalancingWeight)
const number = whole(UInt32ValueSchema.field.value)

const address = message(EndpointSchema.field.address)
const hostname = text(EndpointSchema.field.hostname)
const socketAddress = message(AddressSchema.field.socketAddress)
const ip = text(SocketAddressSchema.field.address)
const port = whole(SocketAddressSchema.field.portValue)

/** Who is asked: its `name`, by which its identity is checked, and where it answers. */
export interface LbEndpoint {
  name: string
  address: string
  port: number
  weight?: number | undefined
  /** What `mesh` says of it in its metadata. */
  mesh?: Record<string, string | undefined>
}

/** Endpoints of one locality and priority; by themselves where nothing is said of zones. */
export interface LbGroup {
  endpoints: LbEndpoint[]
  place?: { locality: Locality; priority: number; weight: number }
}

/** The `ClusterLoadAssignment` of a cluster; `named` are keys of `named_endpoints`, which hold nothing. */
export function assignmentOf(name: string, groups: LbGroup[], named: string[] = []): Resource {
  const fields =
    clusterName(name) + groups.map((group) => endpoints(groupOf(group))).join('') + named.map((key) => namedEndpoint(key, '')).join('')
  return encodedResource(typeUrls.endpoint, name, bytesOf(fields))
}

function groupOf({ endpoints, place }: LbGroup): Bytes {
  const own = endpoints.map((one) => lbEndpoint(endpointOf(one))).join('')
  if (!place) return own
  return (
    locality(localityOf(place.locality)) +
    own +
    groupWeight(place.weight ? number(place.weight) : '') +
    (place.priority ? priority(place.priority) : '')
  )
}

function localityOf(where: Locality): Bytes {
  return (where.region && region(where.region)) + (where.zone && zone(where.zone)) + (where.subZone && subZone(where.subZone))
}

function endpointOf({ name, address: at, port: through, weight, mesh }: LbEndpoint): Bytes {
  const where = endpoint(address(socketAddress(ip(at) + port(through))) + hostname(name))
  return (
    where +
    (mesh ? metadata(filterMetadata('mesh', struct(mesh))) : '') +
    (weight === undefined ? '' : endpointWeight(weight ? number(weight) : ''))
  )
}
