import type { HeaderMutation } from '../../../common/proto/gen/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js'
import {
  HeaderValueOption_HeaderAppendAction as Action,
  type HeaderValueOption,
} from '../../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import { wireText } from '../../../mesh/wire.ts'
import type { Exchange } from '../exchange.ts'
import { Unsupported } from '../resources/support.ts'
import { compileText } from './format.ts'
import type { Headers } from './headers.ts'
import { compileString } from './string-matcher.ts'

/** Changes headers for one request. */
export type Mutation = (headers: Headers, exchange: Exchange) => void

/** One mutation out of several, in their order. */
export function inOrder(mutations: Mutation[]): Mutation | undefined {
  if (mutations.length < 2) return mutations[0]
  return (headers, exchange) => {
    for (const mutate of mutations) mutate(headers, exchange)
  }
}

/** Compiles a list of `HeaderMutation`s. Throws `Unsupported`. */
export function compileMutations(mutations: HeaderMutation[]): Mutation | undefined {
  return inOrder(
    mutations.map(({ action }) => {
      switch (action.case) {
        case 'remove':
          return removal(action.value)
        case 'append':
          return addition(action.value)
        case 'removeOnMatch': {
          const matches = compileString(action.value.keyMatcher, 'remove_on_match.key_matcher')
          return (headers) => headers.removeWhere(matches)
        }
        default:
          throw new Unsupported('header mutation', 'has no action')
      }
    }),
  )
}

/** Compiles the older pair of lists that routes and virtual hosts have. */
export function compileHeaderLists(add: HeaderValueOption[], remove: string[]): Mutation | undefined {
  return inOrder([...remove.map(removal), ...add.map(addition)])
}

function removal(header: string): Mutation {
  const name = header.toLowerCase()
  return (headers) => headers.remove(name)
}

function addition({ header, append, appendAction, keepEmptyValue }: HeaderValueOption): Mutation {
  const name = header?.key.toLowerCase() ?? ''
  if (name === '' || name.startsWith(':')) throw new Unsupported(`header ${name || '(without name)'}`)
  const format = compileText(wireText(header!.value) || Buffer.from(header!.rawValue).toString('latin1'), '')
  const action = append === false ? Action.OVERWRITE_IF_EXISTS_OR_ADD : appendAction
  return (headers, exchange) => {
    const value = format(exchange)
    if (value === '' && !keepEmptyValue) return
    const exists = action !== Action.APPEND_IF_EXISTS_OR_ADD && headers.has(name)
    if (action === Action.ADD_IF_ABSENT && exists) return
    if (action === Action.OVERWRITE_IF_EXISTS && !exists) return
    if (exists) headers.set(name, value)
    else headers.add(name, value)
  }
}
