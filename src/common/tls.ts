import { readFileSync, statSync } from 'node:fs'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import type { TlsConfig } from './config.ts'
import { problem, messageOf } from './problem.ts'

export const TlsFileUnreadable = problem(
  'MESH_TLS_FILE_UNREADABLE',
  500,
  (field: string, file: string, why: string) => `${field}: cannot read ${file}: ${why}`,
)

export interface TlsMaterial {
  cert: Buffer
  key: Buffer
  ca: Buffer
}

/** Reads the PEM files of a TLS configuration. Throws `TlsFileUnreadable`, naming the field. */
export function readTls(config: TlsConfig): TlsMaterial {
  const read = (field: keyof TlsConfig): Buffer => {
    try {
      return readFileSync(config[field])
    } catch (error) {
      throw TlsFileUnreadable(`tls.${field}`, config[field], messageOf(error))
    }
  }
  return { cert: read('certificate'), key: read('key'), ca: read('ca') }
}

/**
 * Calls `changed` with the new material each time one of the files has changed, looking every `interval` milliseconds.
 * Files that are gone or unreadable for a moment are ignored until they are whole again. Returns a function that stops it.
 */
export function watchTls(config: TlsConfig, changed: (material: TlsMaterial) => void, interval = 1000): () => void {
  const stamp = (): string => stampOf([config.certificate, config.key, config.ca])
  let last = stamp()
  const timer = setInterval(() => {
    const now = stamp()
    if (now === last) return
    try {
      const material = readTls(config)
      last = now
      changed(material)
    } catch {}
  }, interval)
  timer.unref()
  return () => clearInterval(timer)
}

/** Another text whenever one of the files has changed, or why it cannot be looked at. */
export function stampOf(files: string[]): string {
  return files
    .map((file) => {
      try {
        return statSync(file).mtimeMs
      } catch (error) {
        return (error as NodeJS.ErrnoException).code
      }
    })
    .join()
}

/** The DNS names that a peer's certificate bears, in lower case; empty without a certificate. */
export function peerNames(socket: TLSSocket): string[] {
  return dnsNames(socket.getPeerCertificate())
}

/** The DNS subject alternative names of a certificate, in lower case. */
export function dnsNames(certificate: Partial<PeerCertificate> | undefined): string[] {
  return (certificate?.subjectaltname ?? '')
    .split(', ')
    .filter((name) => name.startsWith('DNS:'))
    .map((name) => name.slice(4).toLowerCase())
}
