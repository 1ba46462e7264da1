import { LuaSchema } from '../../common/proto/gen/envoy/extensions/filters/http/lua/v3/lua_pb.js'
import { HeaderValueOption_HeaderAppendAction as Append } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import type { Exposure } from '../../mesh/records.ts'
import type { Feature, HeaderMutationInit } from './feature.ts'
import { absent, without } from './header-match.ts'
import { anyOf, onlyWhere, requestHeader } from './only-where.ts'
import { packed } from './proto.ts'
import { askedInLua, hasSession, sessionCookie } from './sticky-sessions.ts'

const filterName = 'mesh.named-instances'
const names = ['app-instance', 'process-instance']

/** Of a request that names an instance: what is answered where the cluster to which a rule leads it does not have that one. */
export const missingInstance = 'x-mesh-missing-instance'

/** `X-Cf-App-Instance` and `X-CF-Process-Instance` under names that a client cannot send, before all of `x-cf-` is removed. */
export const keepNamedInstance: HeaderMutationInit[] = names.map((name) => ({
  action: {
    case: 'append',
    value: { header: { key: `x-mesh-${name}`, value: `%REQ(x-cf-${name})%` }, appendAction: Append.OVERWRITE_IF_EXISTS_OR_ADD },
  },
}))

/**
 * Sends a request to the instance that it names by header, or by the cookie of its session, in whichever cluster was chosen for it.
 * Envoy can be told an address, which counts only if the cluster has it; the address of an instance is asked of the router's agent
 * (src/istio-router/envoy/instances.ts), of a session once a minute.
 */
export const namedInstances: Feature = {
  filter({ listener, settings }) {
    const named = names.map((name) => requestHeader(`x-mesh-${name}`))
    const predicate = anyOf(...named, ...(settings.stickySessions.for === 'none' ? [] : [hasSession]))
    return onlyWhere(
      filterName,
      predicate,
      packed(LuaSchema, {
        defaultSourceCode: { specifier: { case: 'inlineString', value: lua(listener.exposure, settings.stickySessions.cookies) } },
      }),
    )
  },
  plain: ({ settings }) => ({
    filter: filterName,
    headers: [
      ...names.map((name) => absent(`x-mesh-${name}`)),
      ...(settings.stickySessions.for === 'none' ? [] : [without('cookie', sessionCookie)]),
    ],
  }),
}

/** A named instance is the only one that is tried; from a session's the request may go on to others. */
function lua(exposure: Exposure, cookies: string[]): string {
  return `${askedInLua}
local addresses, count, minute = {}, 0, 0

local function ask(handle, what)
  local headers = handle:headers()
  what[":method"], what[":path"], what[":authority"] = "GET", "/", "router"
  what["x-exposure"], what["x-host"], what["x-path"] = "${exposure}", headers:get(":authority"), headers:get(":path")
  local answer, body = handle:httpCall("instances", what, nil, 1000)
  return answer[":status"], body, answer["x-cf-routererror"], answer["x-missing"]
end

local function named(handle, app, process)
  local status, body, fault, missing = ask(handle, { ["x-app-instance"] = app, ["x-process-instance"] = process })
  if status == "200" then
    handle:headers():replace("x-envoy-max-retries", "0")
    handle:headers():replace("${missingInstance}", missing or "")
    handle:setUpstreamOverrideHost(body, true)
  elseif status == "400" then
    handle:respond({ [":status"] = "400", ["content-type"] = "text/plain; charset=utf-8", ["x-content-type-options"] = "nosniff",
      ["cache-control"] = "no-cache, no-store", ["x-cf-routererror"] = fault }, body)
  else
    handle:respond({ [":status"] = "503", ["x-cf-routererror"] = "no_endpoints" }, "503 Service Unavailable: The instance cannot be looked up.\\n")
  end
end

local function addressOf(handle, guid)
  local now = math.floor(handle:timestamp() / 60000)
  if now ~= minute or count >= 10000 then addresses, count, minute = {}, 0, now end
  local key = guid .. " " .. handle:headers():get(":authority")
  if addresses[key] then return addresses[key] end
  local status, body = ask(handle, { ["x-session"] = guid })
  if status ~= "200" then return nil end
  addresses[key], count = body, count + 1
  return body
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local app, process = headers:get("x-mesh-app-instance"), headers:get("x-mesh-process-instance")
  if app or process then return named(handle, app, process) end
  local guid = asked(headers, ",${cookies.join(',')},")
  local address = guid and guid:find("^[%w_.-]+$") and addressOf(handle, guid)
  if address then handle:setUpstreamOverrideHost(address, false) end
end
`
}
