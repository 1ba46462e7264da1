/** An error of BBS: what the real one answers, with status 200, in field 1 of each message (cloudfoundry/bbs models/error.proto). */
export class BbsError extends Error {
  readonly type: number

  constructor(type: number, message: string) {
    super(message)
    this.name = 'BbsError'
    this.type = type
  }
}

const kind = (type: number, message: string) => () => new BbsError(type, message)

export const InvalidField = (...fields: string[]) => new BbsError(4, fields.map((field) => `Invalid field: ${field}`).join(', '))
export const BadRequest = kind(4, 'the request received is invalid')
export const ResourceExists = kind(12, 'the requested resource already exists')
export const ResourceNotFound = kind(13, 'the requested resource could not be found')
export const CannotBeClaimed = kind(15, 'cannot claim actual LRP')
export const CannotBeStarted = kind(16, 'cannot start actual LRP')
export const CannotBeCrashed = kind(17, 'cannot crash actual LRP')
export const CannotBeFailed = kind(18, 'cannot fail actual LRP')
export const CannotBeUnclaimed = kind(21, 'cannot unclaim actual LRP')
