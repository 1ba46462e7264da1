import { fromJson, toBinary, type JsonObject } from '@bufbuild/protobuf'
import { ValueSchema } from '@bufbuild/protobuf/wkt'
import {
  Config_ValueEncode as Encode,
  Config_ValueType as Type,
  ConfigSchema,
} from '../../../common/proto/gen/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata_pb.js'
import type { Limit } from '../../../mesh/istio/types.ts'
import { packed } from '../proto.ts'
import type { RuleFeature } from './feature.ts'

/** Namespace of the requests' metadata in which sizes stand, by `sizeKey`. */
export const sizes = 'mesh.rate-limit'

/** As `100/minute`. */
export const sizeKey = ({ requests, unit }: Limit): string => `${requests}/${unit}`

/** A request header that no request has, since `x-mesh-` is removed from what clients send. */
const absent = 'x-mesh-rate-limit'

/**
 * Gives requests the sizes of their global limits as metadata, from where the rate limit filter tells them to the service. Envoy has no
 * shorter way for a constant: envoy.filters.http.header_to_metadata, what it says where a header is missing.
 */
export const limitSizes: RuleFeature = {
  filter: ({ rateLimitService }) =>
    rateLimitService ? { name: 'envoy.filters.http.header_to_metadata', config: packed(ConfigSchema, {}) } : undefined,

  perHost({ limits }, { rateLimitService }) {
    const counted = limits.filter(({ spec }) => spec.global).flatMap(({ spec }) => spec.limits)
    if (!rateLimitService || !counted.length) return undefined
    const bySize = new Map(counted.map((limit) => [sizeKey(limit), limit]))
    return packed(ConfigSchema, {
      requestRules: [...bySize].map(([key, { requests, unit }]) => ({
        header: absent,
        onHeaderMissing: {
          metadataNamespace: sizes,
          key,
          value: encoded({ requests_per_unit: requests, unit: unit.toUpperCase() }),
          type: Type.PROTOBUF_VALUE,
          encode: Encode.BASE64,
        },
      })),
    })
  },
}

const encoded = (object: JsonObject): string => Buffer.from(toBinary(ValueSchema, fromJson(ValueSchema, object))).toString('base64')
