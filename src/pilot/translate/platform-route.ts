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

/**
 * The path comes normalised from Envoy, with its query; no cluster is named where no route exists, which is answered 404. A host that is
 * in normal form already, as nearly all are, is looked at once; wildcards are worked out only where no host has the name.
 */
function lua(exposure: Exposure): string {
  return `local byte, find, sub = string.byte, string.find, string.sub

local function lookup(handle, host, paths, count)
  local root = "${exposure}/" .. host
  for i = count, 1, -1 do
    local key = root .. paths[i]
    if handle:getCluster(key) ~= nil then return key end
  end
  if handle:getCluster(root) ~= nil then return root end
end

local function prefixes(path)
  local paths, count, start = {}, 0, 1
  local query = find(path, "?", 1, true)
  if query then path = sub(path, 1, query - 1) end
  while start and byte(path, start) == 47 and count < ${limits.segments} do
    local slash = find(path, "/", start + 1, true)
    local stop = slash or #path + 1
    if stop > start + 1 then
      count = count + 1
      paths[count] = sub(path, 1, stop - 1)
    end
    start = slash
  end
  return paths, count
end

function envoy_on_route(handle)
  local headers = handle:headers()
  local host = headers:get(":authority") or ""
  if find(host, "[^%l%d.-]") then
    host = host:lower():gsub(":%d*$", "")
    if find(host, "/", 1, true) then return "" end
  end
  if byte(host, -1) == 46 then host = sub(host, 1, -2) end
  if host == "" then return "" end
  local paths, count = prefixes(headers:get(":path") or "")
  local found = lookup(handle, host, paths, count)
  if found then return found end
  local dots, labels = {}, 0
  for dot in host:gmatch("()%.") do
    labels = labels + 1
    dots[labels] = dot
  end
  for i = math.max(1, labels - ${limits.labels - 1}), labels do
    found = lookup(handle, "*" .. sub(host, dots[i]), paths, count)
    if found then return found end
  end
  return ""
end
`
}
