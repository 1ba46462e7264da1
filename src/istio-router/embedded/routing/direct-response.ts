import {
  DirectResponseActionSchema,
  type DirectResponseAction,
} from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { inline } from '../resources/secret.ts'
import { requireSupported } from '../resources/support.ts'
import type { Answer } from './route.ts'

/** Compiles a `DirectResponseAction`: an answer that is always the same. Throws `Unsupported`. */
export function compileDirectResponse(action: DirectResponseAction, at: string): Answer {
  requireSupported(DirectResponseActionSchema, action, { status: true, body: true }, `${at}.`)
  const body = action.body?.specifier.case ? inline(action.body, `${at}.body`) : ''
  return (exchange) => exchange.reply(action.status, body, undefined, 'direct_response')
}
