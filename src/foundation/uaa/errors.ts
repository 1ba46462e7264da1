/** An error as UAA answers it: `{"error","error_description"}`. */
export class OauthError extends Error {
  readonly status: number
  readonly error: string

  constructor(status: number, error: string, description: string) {
    super(description)
    this.name = 'OauthError'
    this.status = status
    this.error = error
  }

  toJSON(): Record<string, string> {
    return { error: this.error, error_description: this.message }
  }
}

export function oauthError(status: number, error: string, description: string): OauthError {
  return new OauthError(status, error, description)
}
