import { LuaConfigSchema } from '../../common/proto/gen/envoy/extensions/router/cluster_specifiers/lua/v3/lua_pb.js'
import { RouteAction_ClusterNotFoundResponseCode } from '../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { HeaderValueOption_HeaderAppendAction as Append } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import { limits } from '../../mesh/matching.ts'
import type { Exposure } from '../../mesh/records.ts'
import type { Feature } from './feature.ts'
import { extension } from './proto.ts'

/** The name of the cluster specifier, by which the embedded engine knows to run src/mesh/matching.ts in its place. */
export const specifierName = (exposure: Exposure): string => `mesh.platform-route/${exposure}`

/** The name of the cluster that a simple host's requests go to. */
const simpleCluster = 'x-mesh-route'

/**
 * Sends a request to the cluster of the most specific route that exists: src/mesh/matching.ts in Lua. A simple host has no route but that
 * of its name, which takes no Lua: *measured* a twentieth of what a request costs.
 */
export const platformRoute: Feature = {
  early: ({ listener: { exposure } }) => [
    {
      action: {
        case: 'append',
        value: {
          header: { key: simpleCluster, value: `${exposure}/%REQ(:AUTHORITY)%` },
          appendAction: Append.OVERWRITE_IF_EXISTS_OR_ADD,
        },
      },
    },
  ],
  route: ({ exposure, to }) => ({
    clusterSpecifier:
      to === 'simple'
        ? { case: 'clusterHeader', value: simpleCluster }
        : to === 'searched'
          ? { case: 'clusterSpecifierPlugin', value: specifierName(exposure) }
          : { case: 'cluster', value: to.cluster },
    clusterNotFoundResponseCode: RouteAction_ClusterNotFoundResponseCode.NOT_FOUND,
  }),
}

/** The specifier, which stands in each route configuration once: Envoy gives each a Lua machine a worker. */
export const platformSpecifier = (exposure: Exposure) => ({
  extension: extension(specifierName(exposure), LuaConfigSchema, {
    sourceCode: { specifier: { case: 'inlineString' as const, value: lua(exposure) } },
  }),
})

/**
 * The path comes normalised from Envoy, with its query; no cluster is named where no route exists, which is answered 404. Nearly all hosts
 * have no routes with paths, so that prefixes are worked out from the shortest on and as few strings made as can be; wildcards
 * are worked out only where no host has the name.
 */
function lua(exposure: Exposure): string {
  return `local byte, find, gsub, lower, sub = string.byte, string.find, string.gsub, string.lower, string.sub

local function lookup(handle, root, path)
  local target, found = root .. path, nil
  local start, count = #root + 1, 0
  while start and byte(target, start) == 47 and count < ${limits.segments} do
    local slash = find(target, "/", start + 1, true)
    if slash ~= start + 1 and start < #target then
      count = count + 1
      local key = slash and sub(target, 1, slash - 1) or target
      if handle:getCluster(key) ~= nil then found = key end
    end
    start = slash
  end
  if found then return found end
  if handle:getCluster(root) ~= nil then return root end
end

local function normal(authority)
  local host = lower(authority)
  if find(host, ":", 1, true) then host = gsub(host, ":%d*$", "") end
  if byte(host, -1) == 46 then host = sub(host, 1, -2) end
  return host
end

function envoy_on_route(handle)
  local headers = handle:headers()
  local host, path = normal(headers:get(":authority") or ""), headers:get(":path") or ""
  if host == "" or find(host, "/", 1, true) then return "" end
  local query = find(path, "?", 1, true)
  if query then path = sub(path, 1, query - 1) end
  local found = lookup(handle, "${exposure}/" .. host, path)
  if found then return found end
  local dots, labels = {}, 0
  for dot in host:gmatch("()%.") do
    labels = labels + 1
    dots[labels] = dot
  end
  for i = math.max(1, labels - ${limits.labels - 1}), labels do
    found = lookup(handle, "${exposure}/*" .. sub(host, dots[i]), path)
    if found then return found end
  end
  return ""
end
`
}
