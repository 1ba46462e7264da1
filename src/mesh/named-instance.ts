/** One instance of a route, as far as a request can name it. */
export interface Instance {
  guid: string
  app: string
  /** Guid of its process in Cloud Controller. */
  process: string
  index: string
}

/** Why a request that names an instance is answered 400: the value of `X-Cf-RouterError`, and the body. */
export interface Refusal {
  error: string
  body: string
}

/** The instance that a request asks for, by gorouter's headers. */
export interface NamedInstance {
  matches: (instance: Instance) => boolean
  /** What is answered where the route of `host` has none such. */
  missing: (host: string) => Refusal
}

const guid = '[\\da-f]{8}-(?:[\\da-f]{4}-){3}[\\da-f]{12}'
const byApp = new RegExp(`^(${guid}):(\\d+)$`)
const byProcess = new RegExp(`^(${guid})(?::(\\d+))?$`)

/**
 * Reads `X-Cf-App-Instance: APPGUID:INDEX`, or else `X-CF-Process-Instance: PROCESSGUID[:INDEX]`, as gorouter does; undefined
 * where neither is there.
 */
export function readNamedInstance(app: string | undefined, process: string | undefined): NamedInstance | Refusal | undefined {
  if (app) {
    const [, guid, index] = byApp.exec(app) ?? []
    if (guid === undefined || index === undefined) return refusal('invalid_cf_app_instance_header', 'Invalid X-CF-App-Instance Header')
    return {
      matches: (instance) => instance.app === guid && instance.index === index,
      missing: (host) => missing(`Requested instance ('${index}') with guid ('${guid}')`, host),
    }
  }
  if (!process) return undefined
  const [, guid, index] = byProcess.exec(process) ?? []
  if (guid === undefined) return refusal('invalid_cf_process_instance_header', 'Invalid X-CF-Process-Instance Header')
  return {
    matches: (instance) => instance.process === guid && (index === undefined || instance.index === index),
    missing: (host) => missing(`Requested instance ${index === undefined ? '' : `('${index}') `}with process guid ('${guid}')`, host),
  }
}

/**
 * The metadata `mesh` of a cluster and an endpoint, and the endpoint's name, as an instance; where no process is told it has its app's
 * guid.
 */
export function instanceOf(name: string, endpoint: Record<string, unknown> = {}, cluster: Record<string, unknown> = {}): Instance {
  const app = text(endpoint['a'] ?? cluster['app'])
  return { guid: name, app, process: text(endpoint['p'] ?? app), index: text(endpoint['i']) }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const missing = (what: string, host: string): Refusal => refusal('unknown_route', `${what} does not exist for route ('${host}')`)
const refusal = (error: string, message: string): Refusal => ({ error, body: `400 Bad Request: ${message}\n` })
