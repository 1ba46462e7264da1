import type { JsonObject } from '@bufbuild/protobuf'
import {
  RouteAction_ClusterNotFoundResponseCode as NotFound,
  RouteActionSchema,
  RouteSchema,
  type Route as RouteMessage,
  type RouteAction,
} from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type { Exchange } from '../exchange.ts'
import type { HttpFilter } from '../filters/filter.ts'
import { compilePerRoute } from '../filters/filters.ts'
import { compileHeaderLists, inOrder, type Mutation } from '../http/mutation.ts'
import { Unsupported, millis, requireSupported } from '../resources/support.ts'
import { compileClusters, type ClusterOf, type Specifiers } from './clusters.ts'
import { compileDirectResponse } from './direct-response.ts'
import { compileHashPolicies, type HashPolicy } from './hash-policy.ts'
import { compileMatch, type Match } from './match.ts'
import { compileMirrors, type Mirror } from './mirrors.ts'
import { compileRedirect } from './redirect.ts'
import { compileRetries, type Retries } from './retry.ts'
import { compileRewrite } from './rewrite.ts'

/** Answers a request without a cluster. */
export type Answer = (exchange: Exchange) => void

/** One route, ready for use: what it does not ask for is undefined and costs nothing. */
export interface Route {
  name: string
  matches: Match
  /** Answers in the app's place; otherwise `action` says where requests go. */
  answer: Answer | undefined
  action: Action | undefined
  request: Mutation | undefined
  response: Mutation | undefined
  metadata: Record<string, JsonObject>
  /** What it says to filters, by their names. */
  filters: ReadonlyMap<string, HttpFilter> | undefined
}

/** How requests go to a cluster; times in milliseconds, 0 for none. */
export interface Action {
  cluster: ClusterOf
  /** Status of the answer where there is no cluster. */
  clusterMissing: number
  timeout: number
  idleTimeout: number | undefined
  retries: Retries | undefined
  rewrite: ((exchange: Exchange) => void) | undefined
  mirrors: Mirror[] | undefined
  /** By which endpoints, and shares of a split, are chosen. */
  hash: HashPolicy | undefined
}

/** What a route configuration and its virtual host say for all of their routes. */
export interface Inherited {
  specifiers: Specifiers
  request: Mutation | undefined
  response: Mutation | undefined
  filters: ReadonlyMap<string, HttpFilter> | undefined
}

const missingStatus = { [NotFound.SERVICE_UNAVAILABLE]: 503, [NotFound.NOT_FOUND]: 404, [NotFound.INTERNAL_SERVER_ERROR]: 500 }

/** Compiles one route of a virtual host. Throws `Unsupported`. */
export function compileRoute(route: RouteMessage, inherited: Inherited, at: string): Route {
  requireSupported(
    RouteSchema,
    route,
    {
      name: true,
      match: true,
      route: true,
      redirect: true,
      direct_response: true,
      metadata: true,
      typed_per_filter_config: true,
      request_headers_to_add: true,
      request_headers_to_remove: true,
      response_headers_to_add: true,
      response_headers_to_remove: true,
    },
    `${at}.`,
  )
  const own = compilePerRoute(route.typedPerFilterConfig, `${at}.typed_per_filter_config`)
  return {
    name: route.name,
    matches: compileMatch(route.match, `${at}.match`),
    answer: compileAnswer(route, at),
    action: route.action.case === 'route' ? compileAction(route.action.value, route, inherited, `${at}.route`) : undefined,
    request: both(compileHeaderLists(route.requestHeadersToAdd, route.requestHeadersToRemove), inherited.request),
    response: both(compileHeaderLists(route.responseHeadersToAdd, route.responseHeadersToRemove), inherited.response),
    metadata: route.metadata?.filterMetadata ?? {},
    filters: inherited.filters ? new Map([...inherited.filters, ...(own ?? [])]) : own,
  }
}

function both(first: Mutation | undefined, second: Mutation | undefined): Mutation | undefined {
  return inOrder([first, second].filter((mutation) => mutation !== undefined))
}

function compileAnswer({ action, match }: RouteMessage, at: string): Answer | undefined {
  switch (action.case) {
    case 'route':
      return undefined
    case 'redirect':
      return compileRedirect(action.value, match!, `${at}.redirect`)
    case 'directResponse':
      return compileDirectResponse(action.value, `${at}.direct_response`)
    default:
      throw new Unsupported(`${at}.${action.case ?? 'action'}`)
  }
}

function compileAction(action: RouteAction, { match }: RouteMessage, { specifiers }: Inherited, at: string): Action {
  requireSupported(
    RouteActionSchema,
    action,
    {
      cluster: true,
      cluster_header: true,
      weighted_clusters: true,
      cluster_specifier_plugin: true,
      cluster_not_found_response_code: true,
      timeout: true,
      idle_timeout: true,
      retry_policy: true,
      max_stream_duration: {},
      prefix_rewrite: true,
      regex_rewrite: true,
      host_rewrite_literal: true,
      request_mirror_policies: true,
      hash_policy: true,
    },
    `${at}.`,
  )
  const hash = compileHashPolicies(action.hashPolicy, `${at}.hash_policy`)
  return {
    cluster: compileClusters(action.clusterSpecifier, hash, specifiers, at),
    clusterMissing: missingStatus[action.clusterNotFoundResponseCode],
    timeout: millis(action.timeout, 15_000),
    idleTimeout: action.idleTimeout && millis(action.idleTimeout, 0),
    retries: compileRetries(action.retryPolicy, `${at}.retry_policy`),
    rewrite: compileRewrite(action, match!, at),
    mirrors: compileMirrors(action.requestMirrorPolicies, `${at}.request_mirror_policies`),
    hash,
  }
}
