/** An error as Cloud Controller answers it. */
export class ApiError extends Error {
  readonly status: number
  readonly code: number
  readonly title: string

  constructor(status: number, code: number, name: string, detail: string) {
    super(detail)
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.title = `CF-${name}`
  }

  /** One entry of `errors`. */
  toJSON(): { code: number; title: string; detail: string } {
    return { code: this.code, title: this.title, detail: this.message }
  }
}

const fixed = (status: number, code: number, name: string, detail: string) => () => new ApiError(status, code, name, detail)
const formatted =
  (status: number, code: number, name: string, format: (detail: string) => string = (detail) => detail) =>
  (detail: string) =>
    new ApiError(status, code, name, format(detail))

/** Codes, titles and sentences are those of cloud_controller_ng's errors/v2.yml. */
export const invalidAuthToken = fixed(401, 1000, 'InvalidAuthToken', 'Invalid Auth Token')
export const messageParseError = formatted(400, 1001, 'MessageParseError', (detail) => `Request invalid due to parse error: ${detail}`)
export const badRequest = formatted(400, 1004, 'BadRequest', (detail) => `Bad request: ${detail}`)
export const unknownRequest = fixed(404, 10000, 'NotFound', 'Unknown request')
export const notAuthenticated = fixed(401, 10002, 'NotAuthenticated', 'Authentication error')
export const notAuthorized = fixed(403, 10003, 'NotAuthorized', 'You are not authorized to perform the requested action')
export const badQueryParameter = formatted(400, 10005, 'BadQueryParameter', (detail) => `The query parameter is invalid: ${detail}`)
export const unprocessable = formatted(422, 10008, 'UnprocessableEntity')
/** `notFound('App')`: "App not found". */
export const notFound = formatted(404, 10010, 'ResourceNotFound', (resource) => `${resource} not found`)
export const rateLimitExceeded = fixed(429, 10013, 'RateLimitExceeded', 'Rate Limit Exceeded')
export const organizationSuspended = fixed(403, 10017, 'OrgSuspended', 'The organization is suspended')
export const internalError = fixed(500, 10001, 'UnknownError', 'An unknown error occurred.')
export const featureDisabled = formatted(403, 330002, 'FeatureDisabled', (name) => `Feature Disabled: ${name}`)
export const packageInvalid = formatted(400, 150_001, 'AppPackageInvalid', (detail) => `The app package is invalid: ${detail}`)
