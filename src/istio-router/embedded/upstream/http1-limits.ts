import type { Failure } from '../http/failure.ts'

/** Largest header of a response, in bytes (Envoy's default). */
export const maxResponseHeader = 61_440

/** Failure of an HTTP/1.1 try that broke with `error`. */
export function failureOf(error: Error & { code?: string }, sent: boolean): Failure {
  const code = error.code ?? ''
  const broken = code.startsWith('HPE_') || /HEADERS_OVERFLOW|CONTENT_LENGTH|RESPONSE_PARSE/.test(code) || error.message === 'bad response' || error.message === 'bad upgrade'
  return { flag: broken ? 'UPE' : sent ? 'UC' : 'UF', unsent: !sent, detail: error.message }
}
