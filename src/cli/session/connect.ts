import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { Agent } from 'undici'
import { messageOf, type Problem } from '../../common/problem.ts'
import { FileUnreadable, UaaUnreachable, Unreachable, Untrusted } from '../problems.ts'

const timeouts = { headersTimeout: 30_000, bodyTimeout: 30_000 }

/** Connections to copilot, which is trusted by the CAs of a file where one is given. Throws `MESHCTL_FILE_UNREADABLE`. */
export const copilotAgent = (ca: string | undefined): Agent =>
  new Agent({ connect: { timeout: 5000, ...(ca && { ca: readCas(ca) }) }, ...timeouts })

/** Connections to UAA, whose certificate comes from the same CAs, or from a public one. Throws `MESHCTL_FILE_UNREADABLE`. */
export const uaaAgent = (ca: string | undefined): Agent =>
  new Agent({ connect: { timeout: 5000, ...(ca && { ca: [...rootCertificates, readCas(ca)] }) }, ...timeouts })

function readCas(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw FileUnreadable('--api-ca', file, messageOf(error))
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw FileUnreadable('--api-ca', file, 'it holds no certificate in PEM')
  return text
}

/** How certificates fail that come from nobody who is trusted, in Node's codes. */
const untrusted = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]

const expired: Record<string, string> = { CERT_HAS_EXPIRED: 'has expired', CERT_NOT_YET_VALID: 'is not valid yet' }

/** What it means that copilot or UAA could not be asked. */
export function connectionProblem(whom: 'copilot' | 'UAA', url: string, error: unknown): Problem {
  const { code = '' } = error as { code?: string }
  if (untrusted.includes(code))
    return Untrusted(whom, url, 'comes from no CA that is trusted; name a file with its CA by --api-ca FILE or MESH_CA')
  if (expired[code]) return Untrusted(whom, url, expired[code])
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return Untrusted(whom, url, `is for another name (${messageOf(error)}); write the address with a name that it bears`)
  // Node has nothing but a code where it tried several addresses.
  const why = messageOf(error).includes('wrong version number') ? 'it speaks no TLS there' : messageOf(error) || code
  return whom === 'UAA' ? UaaUnreachable(url, why) : Unreachable(url, why)
}
