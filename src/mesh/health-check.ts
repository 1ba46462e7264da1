/** How routers ask an instance whether it is well. Durations as in Istio. */
export interface HealthCheck {
  type: 'http' | 'tcp' | 'grpc'
  /** Of `http`: the path that answers 200. */
  path: string
  /** Of `grpc`: the service that is asked for (grpc.health.v1); empty for the server as a whole. */
  service: string
  interval: string
  timeout: string
  /** Checks in a row after which an instance counts as ill, and as well again. */
  unhealthy: number
  healthy: number
}

/** The annotation by which an app asks for checks of its instances. */
export const healthCheckAnnotation = 'mesh.cloudfoundry.org/health-check'

const usual = { path: '/', service: '', interval: '5s', timeout: '1s', unhealthy: 3, healthy: 1 }
/** What Envoy sends as a path. */
const pathForm = /^\/[\x21-\x7e]*$/
const duration = /^[1-9]\d{0,5}(ms|s|m)$/

/** How a check is written, for people. */
export const healthCheckForm =
  'http:/PATH, tcp, grpc, grpc:SERVICE or none, perhaps followed by interval=5s timeout=1s unhealthy=3 healthy=1'

/**
 * Reads `http:/PATH`, `tcp`, `grpc` or `grpc:SERVICE`, which may be followed by `interval=5s timeout=1s unhealthy=3 healthy=1`; `none` is
 * no check, also where the operator has one for all. Undefined for anything else.
 */
export function readHealthCheck(text: string): HealthCheck | 'none' | undefined {
  const [what = '', ...settings] = text.trim().split(/\s+/)
  if (what === 'none' && !settings.length) return 'none'
  const [, type, , argument = ''] = /^(http|tcp|grpc)(:(.*))?$/.exec(what) ?? []
  if (type === undefined || (type === 'http' && argument && !pathForm.test(argument)) || (type === 'tcp' && argument)) return undefined
  const check: HealthCheck = {
    ...usual,
    type: type as HealthCheck['type'],
    ...(type === 'http' && argument ? { path: argument } : {}),
    ...(type === 'grpc' ? { service: argument } : {}),
  }
  for (const setting of settings) {
    const [name = '', value = ''] = setting.split('=')
    if ((name === 'interval' || name === 'timeout') && duration.test(value)) check[name] = value
    else if ((name === 'unhealthy' || name === 'healthy') && /^[1-9]\d?$/.test(value)) check[name] = Number(value)
    else return undefined
  }
  return check
}
