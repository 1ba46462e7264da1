import { LuaConfigSchema } from '../../common/proto/gen/envoy/extensions/router/cluster_specifiers/lua/v3/lua_pb.js'
import { RouteAction_ClusterNotFoundResponseCode } from '../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { limits } from '../../mesh/matching.ts'
import type { Exposure } from '../../mesh/records.ts'
import type { Feature } from './feature.ts'
import { extension } from './proto.ts'

/** The name of the cluster specifier, by which the embedded engine knows to run src/mesh/matching.ts in its place. */
export const specifierName = (exposure: Exposure): string => `mesh.platform-route/${exposure}`

/** Sends a request to the cluster of the most specific route that exists: src/mesh/matching.ts in Lua. */
export const platformRoute: Feature = {
  route: ({ exposure, cluster }) => ({
    clusterSpecifier: cluster === undefined ? { case: 'clusterSpecifierPlugin', value: specifierName(exposure) } : { case: 'cluster', value: cluster },
    clusterNotFoundResponseCode: RouteAction_ClusterNotFoundResponseCode.NOT_FOUND,
  }),
}

/** The specifier, which stands in each route configuration once: Envoy gives each a Lua machine a worker. */
export const platformSpecifier = (exposure: Exposure) => ({
  extension: extension(specifierName(exposure), LuaConfigSchema, { sourceCode: { specifier: { case: 'inlineString' as const, value: lua(exposure) } } }),
})

/** The path comes normalised from Envoy, with its query; no cluster is named where no route exists, which is answered 404. */
function lua(exposure: Exposure): string {
  return `local function lookup(handle, host, paths, count)
  for i = count, 0, -1 do
    local key = "${exposure}/" .. host .. paths[i]
    if handle:getCluster(key) ~= nil then return key end
  end
end

function envoy_on_route(handle)
  local headers = handle:headers()
  local host = (headers:get(":authority") or ""):lower():gsub(":%d*$", ""):gsub("%.$", "")
  if host == "" or host:find("/", 1, true) then return "" end
  local path = (headers:get(":path") or ""):match("^[^?]*")
  local paths, count = { [0] = "" }, 0
  for stop in path:gmatch("/[^/]+()") do
    if count == ${limits.segments} then break end
    count = count + 1
    paths[count] = path:sub(1, stop - 1)
  end
  local found = lookup(handle, host, paths, count)
  if found then return found end
  local dots, labels = {}, 0
  for dot in host:gmatch("()%.") do
    labels = labels + 1
    dots[labels] = dot
  end
  for i = math.max(1, labels - ${limits.labels - 1}), labels do
    found = lookup(handle, "*" .. host:sub(dots[i]), paths, count)
    if found then return found end
  end
  return ""
end
`
}
