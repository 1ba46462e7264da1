import { LuaSchema } from '../../common/proto/gen/envoy/extensions/filters/http/lua/v3/lua_pb.js'
import { loading as contract } from '../../common/xds/loading.ts'
import type { Feature } from './feature.ts'
import { named, packed } from './proto.ts'
import { shapeOf } from './routing-shape.ts'

/**
 * Holds a request until Envoy has the clusters of its host. It is off; a router's agent puts it on in the route configurations while it
 * still gives clusters to an Envoy that serves already (src/istio-router/envoy/loading.ts).
 */
export const loading: Feature = {
  filter: ({ settings }) => ({
    ...named(contract.filter, packed(LuaSchema, { sourceCodes: { [contract.code]: { specifier: { case: 'inlineString', value: lua } } } })),
    disabled: shapeOf(settings).routedFirst,
    isOptional: true,
  }),
}

/** Each worker asks for a host once, whether there is one or not: one that comes to be meanwhile is given to Envoy at once. */
const lua = `local asked, count = {}, 0

function envoy_on_request(handle)
  local host = handle:headers():get(":authority") or ""
  if asked[host] then return end
  local question = { [":method"] = "GET", [":path"] = "/", [":authority"] = "router", ["${contract.host}"] = host }
  local answer = handle:httpCall("${contract.cluster}", question, nil, 30000)
  if answer[":status"] ~= "200" then
    handle:respond({ [":status"] = "503", ["x-cf-routererror"] = "no_endpoints" }, "503 Service Unavailable: The route is not loaded yet.\\n")
    return
  end
  if count >= 10000 then asked, count = {}, 0 end
  asked[host], count = true, count + 1
  handle:clearRouteCache()
end
`
