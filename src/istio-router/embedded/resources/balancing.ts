import type { Any } from '@bufbuild/protobuf/wkt'
import {
  Cluster_LbPolicy,
  type Cluster,
  type Cluster_SlowStartConfig,
} from '../../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import type { ConsistentHashingLbConfig } from '../../../common/proto/gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.js'
import { MaglevSchema } from '../../../common/proto/gen/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.js'
import {
  RingHash_HashFunction,
  RingHashSchema,
} from '../../../common/proto/gen/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.js'
import type { MakeBalancer } from '../balancing/balancer.ts'
import { leastRequest } from '../balancing/least-request.ts'
import { maglev } from '../balancing/maglev.ts'
import { random } from '../balancing/random.ts'
import { largestRing, ringHash } from '../balancing/ring-hash.ts'
import { roundRobin } from '../balancing/round-robin.ts'
import { compileHashPolicies, type HashPolicy } from '../routing/hash-policy.ts'
import { Unsupported, millis, unpack } from './support.ts'

/** How a cluster chooses endpoints. */
export interface Balancing {
  make: MakeBalancer
  /** By what of a request they are chosen, where the cluster says so. */
  hash: HashPolicy | undefined
  /** How the weight of a new endpoint grows. */
  slowStart: SlowStart | undefined
  weighted: boolean
  panic: number
}

export interface SlowStart {
  /** Milliseconds until an endpoint has its whole weight. */
  window: number
  /** Above 1 the weight grows faster at first. */
  aggression: number
  /** Smallest share of the weight, 0 to 1. */
  minimum: number
}

/** Compiles how a cluster chooses. Throws `Unsupported`. */
export function compileBalancing(cluster: Cluster): Balancing {
  const common = cluster.commonLbConfig
  return {
    hash: undefined,
    slowStart: undefined,
    weighted: common?.localityConfigSpecifier.case === 'localityWeightedLbConfig',
    panic: common?.healthyPanicThreshold?.value ?? 50,
    ...compilePolicy(cluster),
  }
}

type Policy = Pick<Balancing, 'make'> & Partial<Pick<Balancing, 'hash' | 'slowStart' | 'weighted'>>

function compilePolicy({ lbPolicy, lbConfig, loadBalancingPolicy }: Cluster): Policy {
  switch (lbPolicy) {
    case Cluster_LbPolicy.ROUND_ROBIN: {
      const slowStart = lbConfig.case === 'roundRobinLbConfig' ? compileSlowStart(lbConfig.value.slowStartConfig) : undefined
      return { make: roundRobin(slowStart !== undefined), slowStart }
    }
    case Cluster_LbPolicy.LEAST_REQUEST: {
      const config = lbConfig.case === 'leastRequestLbConfig' ? lbConfig.value : undefined
      const slowStart = compileSlowStart(config?.slowStartConfig)
      return { make: leastRequest(config?.choiceCount ?? 2, slowStart !== undefined), slowStart }
    }
    case Cluster_LbPolicy.RANDOM:
      return { make: random }
    case Cluster_LbPolicy.LOAD_BALANCING_POLICY_CONFIG: {
      const extension = loadBalancingPolicy?.policies[0]?.typedExtensionConfig
      const compile = extensions[extension?.name ?? '']
      if (!compile) throw new Unsupported('load_balancing_policy', `${extension?.name} is not supported by the embedded engine`)
      return compile(extension?.typedConfig, `load_balancing_policy[${extension?.name}]`)
    }
    default:
      throw new Unsupported('lb_policy', `${Cluster_LbPolicy[lbPolicy]} is not supported by the embedded engine`)
  }
}

const consistent = {
  consistent_hashing_lb_config: { hash_policy: true, hash_balance_factor: true },
  locality_weighted_lb_config: true,
} as const

/** The load balancing policies that are extensions, by their Envoy names. */
const extensions: Record<string, (any: Any | undefined, at: string) => Policy> = {
  'envoy.load_balancing_policies.ring_hash'(any, at) {
    const config = unpack(RingHashSchema, any, { ...consistent, minimum_ring_size: true, maximum_ring_size: true, hash_function: true }, at)
    if (config.hashFunction > RingHash_HashFunction.XX_HASH) throw new Unsupported(`${at}.hash_function`)
    const size = Number(config.minimumRingSize ?? 1024n)
    if (size > largestRing)
      throw new Unsupported(`${at}.minimum_ring_size`, `is above ${largestRing}, the largest ring of the embedded engine`)
    return {
      make: ringHash(size, config.consistentHashingLbConfig?.hashBalanceFactor),
      hash: hashOf(config.consistentHashingLbConfig, at),
      ...weightedWhere(config),
    }
  },
  'envoy.load_balancing_policies.maglev'(any, at) {
    const config = unpack(MaglevSchema, any, { ...consistent, table_size: true }, at)
    return {
      make: maglev(Number(config.tableSize ?? 65_537n), config.consistentHashingLbConfig?.hashBalanceFactor),
      hash: hashOf(config.consistentHashingLbConfig, at),
      ...weightedWhere(config),
    }
  },
}

const weightedWhere = ({ localityWeightedLbConfig }: { localityWeightedLbConfig?: unknown }): Partial<Policy> =>
  localityWeightedLbConfig ? { weighted: true } : {}

function hashOf(config: ConsistentHashingLbConfig | undefined, at: string): HashPolicy | undefined {
  return compileHashPolicies(config?.hashPolicy ?? [], `${at}.hash_policy`)
}

function compileSlowStart(config: Cluster_SlowStartConfig | undefined): SlowStart | undefined {
  const window = millis(config?.slowStartWindow, 0)
  if (window === 0) return undefined
  return { window, aggression: config?.aggression?.defaultValue ?? 1, minimum: (config?.minWeightPercent?.value ?? 10) / 100 }
}
