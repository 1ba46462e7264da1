import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import type {
  RouteActionSchema,
  RouteMatchSchema,
  RouteSchema,
  VirtualHostSchema,
} from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type { HttpMatch } from '../../../mesh/istio/types.ts'
import type { Callers } from '../../rules/callers.ts'
import type { HttpRule, RuleHost } from '../../rules/rule-host.ts'
import type { Binding } from '../../../mesh/rules/virtual-services.ts'
import type { TranslationSettings } from '../settings.ts'

type Init<Desc extends DescMessage> = Extract<MessageInitShape<Desc>, { $typeName?: never }>
export type RouteInit = Init<typeof RouteSchema>
export type VirtualHostInit = Init<typeof VirtualHostSchema>
export type RuleActionInit = Init<typeof RouteActionSchema>
export type MatchInit = Init<typeof RouteMatchSchema>

/** One of a rule's matches, on the paths of the platform route that it shapes. */
export interface MatchContext {
  match: HttpMatch
  binding: Binding
  callers: Callers | undefined
  /** Prefix on segment boundaries; empty for all. */
  path: string
}

interface RuleFilter {
  name: string
  config: Any
}

/** A feature's filter, where routers that are set so have one. */
export const filterOf = ({ filter }: RuleFeature, settings: TranslationSettings): RuleFilter | undefined =>
  typeof filter === 'function' ? filter(settings) : filter

/**
 * One thing that a rule of a VirtualService can ask for, as what it adds to the rule's routes. The list in `features.ts` is the order of
 * their filters; nothing else names them. No two may set the same field.
 */
export interface RuleFeature {
  /** The filter that does it; it is off except where a route says something to it. */
  filter?: RuleFilter | ((settings: TranslationSettings) => RuleFilter | undefined)
  /** What a route says to the filter. */
  perRoute?(rule: HttpRule): Any | undefined
  /** What a host says to the filter, for all its routes. */
  perHost?(host: RuleHost, settings: TranslationSettings): Any | undefined
  /** Fields of the virtual host. */
  host?(host: RuleHost, settings: TranslationSettings): VirtualHostInit
  /** Fields of the match; of lists, what is added. */
  match?(context: MatchContext): MatchInit
  /** How the rule's requests are answered without an app. */
  answer?(rule: HttpRule): RouteInit['action'] | undefined
  /** Fields of the action that sends to apps. */
  action?(rule: HttpRule, settings: TranslationSettings): RuleActionInit
  /** Fields of the route. */
  route?(rule: HttpRule): RouteInit
}
