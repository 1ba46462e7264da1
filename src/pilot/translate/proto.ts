import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf'
import { DurationSchema, type Any, type Duration } from '@bufbuild/protobuf/wkt'
import { ConfigSourceSchema, ApiVersion, type ConfigSource } from '../../common/proto/gen/envoy/config/core/v3/config_source_pb.js'
import { pack } from '../../common/xds/resources.ts'

const milliseconds: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A duration from how it is written: `500ms`, `30s`, `1.5s`, `1h30m`. */
export function duration(text: string): Duration {
  const nanos = Math.round(seconds(text) * 1e9)
  return create(DurationSchema, { seconds: BigInt(Math.floor(nanos / 1e9)), nanos: nanos % 1e9 })
}

/** The same in seconds. */
export function seconds(text: string): number {
  return [...text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)].reduce(
    (sum, [, amount, unit = '']) => sum + (Number(amount) * milliseconds[unit]!) / 1000,
    0,
  )
}

/** An extension: its name and its configuration. */
export function extension<Desc extends DescMessage>(
  name: string,
  schema: Desc,
  config: MessageInitShape<Desc>,
): { name: string; typedConfig: Any } {
  return { name, typedConfig: packed(schema, config) }
}

/** `init` as a message in a `google.protobuf.Any`. */
export function packed<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any {
  return pack(schema, create(schema, init))
}

/** An IP address and a port. */
export function socketAddress(address: string, port: number) {
  return { address: { case: 'socketAddress' as const, value: { address, portSpecifier: { case: 'portValue' as const, value: port } } } }
}

/** "Over the stream that this came by." */
export const ads: ConfigSource = create(ConfigSourceSchema, {
  configSourceSpecifier: { case: 'ads', value: {} },
  resourceApiVersion: ApiVersion.V3,
})

/**
 * The same for a cluster's endpoints, waited for as long as it takes: after its usual 15 s Envoy, busy with 100,000 clusters, would serve
 * those whose endpoints are still to be read with 503.
 */
export const edsOverAds: ConfigSource = create(ConfigSourceSchema, { ...ads, initialFetchTimeout: duration('0s') })

/** A filter: its name and its configuration. */
export function named(name: string, value: Any) {
  return { name, configType: { case: 'typedConfig' as const, value } }
}
