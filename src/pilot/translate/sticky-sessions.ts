import { LuaSchema } from '../../common/proto/gen/envoy/extensions/filters/http/lua/v3/lua_pb.js'
import type { App, Route } from '../../mesh/records.ts'
import type { Feature } from './feature.ts'
import { onlyWhere, requestHeader, responseHeader } from './only-where.ts'
import { packed } from './proto.ts'
import type { TranslationSettings } from './settings.ts'

const filterName = 'mesh.sticky-sessions'

export type AppOf = (guid: string) => App | undefined

/** With `"true"`, the label or annotation by which an app, or a route, asks that its sessions stick. */
export const stickyLabel = 'mesh.cloudfoundry.org/sticky-session'

/** Between the router and its filter for sessions: what `sessionOf` says, on the answers of such routes. */
export const sessionHeader = 'x-mesh-session'

export const sessionCookie = '__VCAP_ID__='

/**
 * `asked(headers, ",NAME,NAME,")` in Lua: the guid that a request's cookies lead to, as `sessionInstance` of src/mesh/session-cookie.ts. No
 * pattern in it takes time that grows faster than what it reads.
 */
export const askedInLua = `local function trimmed(text)
  local from = text:find("%S")
  return from and text:match(".*%S", from) or ""
end

local function split(pair)
  local at = pair:find("=", 1, true)
  if not at then return trimmed(pair) end
  return trimmed(pair:sub(1, at - 1)), trimmed(pair:sub(at + 1))
end

local function asked(headers, names)
  local session, instance = false, nil
  for i = 0, headers:getNumValues("cookie") - 1 do
    for pair in headers:getAtIndex("cookie", i):gmatch("[^;]+") do
      local name, value = split(pair)
      if value and names:find("," .. name .. ",", 1, true) then session = true end
      if value and name == "__VCAP_ID__" and not instance then instance = value:match('^"(.*)"$') or value end
    end
  end
  if session and instance ~= "" then return instance end
end
`
export const hasSession = requestHeader('cookie', `.*${sessionCookie}.*`)

/** A route, or another service of rules. */
type Sticky = Partial<Pick<Route, 'path' | 'labels'>> & Pick<Route, 'destinations'>

/** Where a route's sessions stick: the path of their cookie and the names of the cookies that begin one, as `PATH NAME,NAME`. */
export function sessionOf(route: Sticky, { stickySessions }: TranslationSettings, appOf: AppOf): string | undefined {
  const asks = ({ labels, annotations }: Partial<App> = {}): boolean =>
    labels?.[stickyLabel] === 'true' || annotations?.[stickyLabel] === 'true'
  const wanted = { all: () => true, none: () => false, asked: () => asks(route) || route.destinations.some(({ app }) => asks(appOf(app))) }
  return wanted[stickySessions.for]() ? `${route.path || '/'} ${stickySessions.cookies.join(',')}` : undefined
}

/**
 * Gives a session the cookie by which it comes back to its instance, `__VCAP_ID__` with the instance's guid and the attributes of the
 * app's own cookie, as gorouter does: src/mesh/session-cookie.ts in Lua.
 */
export const stickySessions: Feature = {
  filter: ({ settings }) =>
    settings.stickySessions.for === 'none'
      ? undefined
      : onlyWhere(
          filterName,
          responseHeader(sessionHeader),
          packed(LuaSchema, { defaultSourceCode: { specifier: { case: 'inlineString', value: lua } } }),
        ),
  simple: ({ settings }) => (settings.stickySessions.for === 'none' ? undefined : filterName),
}

const lua = `${askedInLua}
local function attributes(cookie)
  local found = {}
  for part in cookie:gmatch(";([^;]*)") do
    local name, value = split(part)
    found[name:lower()] = value or ""
  end
  return found
end

local function begins(cookie, names)
  local name = cookie:match("^%s*([^=;%s]+)%s*=")
  return name, name and names:find("," .. name .. ",", 1, true)
end

function envoy_on_response(handle)
  local headers, request = handle:headers(), handle:requestHeaders()
  local path, names = headers:get("${sessionHeader}"):match("^(%S+) (%S+)$")
  headers:remove("${sessionHeader}")
  names = "," .. (names or "") .. ","
  local instance = request:get("x-cf-instanceid")
  if not path or not instance then return end
  local session
  for i = 0, headers:getNumValues("set-cookie") - 1 do
    local cookie = headers:getAtIndex("set-cookie", i)
    local name, found = begins(cookie, names)
    if name == "__VCAP_ID__" then return end
    if found and not session then session = cookie end
  end
  local before = asked(request, names)
  if not session and (before == nil or before == instance) then return end
  local given = attributes(session or "")
  local value = "__VCAP_ID__=" .. instance .. "; Path=" .. path
  if given["expires"] then value = value .. "; Expires=" .. given["expires"] end
  if (given["max-age"] or ""):match("^%-?%d+$") and tonumber(given["max-age"]) <= 0 then value = value .. "; Max-Age=0" end
  value = value .. "; HttpOnly"
  if given["secure"] then value = value .. "; Secure" end
  local site = ({ lax = "Lax", strict = "Strict", none = "None" })[(given["samesite"] or ""):lower()]
  if site then value = value .. "; SameSite=" .. site end
  if given["partitioned"] then value = value .. "; Partitioned" end
  headers:add("set-cookie", value)
end
`
