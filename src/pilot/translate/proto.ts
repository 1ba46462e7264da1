import { create, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf'
import { DurationSchema, type Any, type Duration } from '@bufbuild/protobuf/wkt'
import { type DescMessage } from '@bufbuild/protobuf'
import { ConfigSourceSchema, ApiVersion, type ConfigSource } from '../../common/proto/gen/envoy/config/core/v3/config_source_pb.js'
import { pack } from '../../common/xds/resources.ts'

/** `amount` seconds. */
export function seconds(amount: number): Duration {
  const nanos = Math.round((amount % 1) * 1e9)
  return create(DurationSchema, { seconds: BigInt(Math.trunc(amount)), nanos })
}

/** An extension: its name and its configuration. */
export function extension<Desc extends DescMessage>(name: string, schema: Desc, config: MessageInitShape<Desc>): { name: string; typedConfig: Any } {
  return { name, typedConfig: packed(schema, config) }
}

/** `init` as a message in a `google.protobuf.Any`. */
export function packed<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any {
  return pack(schema, create(schema, init) as MessageShape<Desc>)
}

/** "Over the stream that this came by." */
export const ads: ConfigSource = create(ConfigSourceSchema, { configSourceSpecifier: { case: 'ads', value: {} }, resourceApiVersion: ApiVersion.V3 })
