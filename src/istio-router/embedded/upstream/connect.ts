import net, { type OnReadOpts } from 'node:net'
import tls, { type PeerCertificate } from 'node:tls'
import { dnsNames } from '../../../common/tls.ts'
import type { ClusterConfig } from '../resources/cluster.ts'
import type { UpstreamTls } from '../resources/upstream-tls.ts'
import type { Secrets } from '../secrets.ts'

/** Where and how to connect. */
export interface Target {
  address: string
  port: number
  hostname: string
  cluster: ClusterConfig
  secrets: Secrets
}

export type Connected = (error: Error | null, socket: net.Socket | null) => void

/**
 * Connects to an endpoint and, where the cluster says so, speaks TLS and checks who is there. `done` is called with a socket
 * only after the check, `alpn` being what it is to speak, if anything is said of that; until then not a byte of a request can have left.
 * Sessions are never resumed, since that would skip the check. With `onread` what it reads goes there, and it is no stream to read from.
 */
export function connect(target: Target, alpn: string | undefined, done: Connected, onread?: OnReadOpts): void {
  const { address: host, port, cluster } = target
  let settled = false
  let socket: net.Socket
  const settle = (error: Error | null): void => {
    if (settled) return
    settled = true
    clearTimeout(timer)
    if (error) socket.destroy()
    done(error, error ? null : socket)
  }
  const timer = setTimeout(
    () => settle(new Error(`no connection to ${host}:${port} after ${cluster.connectTimeout} ms`)),
    cluster.connectTimeout,
  )

  try {
    socket = cluster.tls
      ? connectTls(target, alpn, settle, onread)
      : net.connect(
          {
            host,
            port,
            noDelay: true,
            keepAlive: true,
            keepAliveInitialDelay: cluster.keepaliveTime,
            autoSelectFamily: false,
            ...(onread && { onread }),
          },
          () => settle(null),
        )
  } catch (error) {
    clearTimeout(timer)
    queueMicrotask(() => done(error as Error, null))
    return
  }
  socket.on('error', settle)
  socket.on('close', () => settle(new Error(`${host}:${port} closed the connection`)))
}

function connectTls(
  { address: host, port, hostname, cluster, secrets }: Target,
  alpn: string | undefined,
  settle: (error: Error | null) => void,
  onread: OnReadOpts | undefined,
): tls.TLSSocket {
  const settings = cluster.tls!
  const name = (settings.hostSni && hostname) || settings.sni
  const socket = tls.connect(
    {
      host,
      port,
      servername: name,
      secureContext: secrets.clientContext(settings),
      ...(alpn === undefined ? {} : { ALPNProtocols: [alpn] }),
      rejectUnauthorized: settings.ca !== undefined,
      checkServerIdentity: (_host, certificate) => checkNames(settings, name, certificate),
      ...(onread && { onread }),
    },
    () => settle(alpn === 'h2' && socket.alpnProtocol !== 'h2' ? new Error('the endpoint does not speak HTTP/2') : null),
  )
  socket.setNoDelay(true)
  socket.setKeepAlive(true, cluster.keepaliveTime)
  return socket
}

/**
 * An error unless a certificate bears the name that was asked for, or one of those that it must. An instance has its own name; of others a
 * wildcard will do.
 */
function checkNames({ names, checkName: checked, hostSni }: UpstreamTls, asked: string, certificate: PeerCertificate): Error | undefined {
  if (names.length) {
    const borne = (certificate.subjectaltname ?? '').split(', ').map((entry) => entry.slice(entry.indexOf(':') + 1))
    return borne.some((one) => names.some((name) => one === name || one === wildcardOf(name)))
      ? undefined
      : new Error(`the certificate is for ${borne.join(', ') || 'nobody'}, not ${names.join(' or ')}`)
  }
  if (!checked) return undefined
  const fault = checkName(asked, certificate)
  return fault && (hostSni || checkName(wildcardOf(asked), certificate)) ? fault : undefined
}

const wildcardOf = (name: string): string => name.replace(/^[^.]+/, '*')

/** An error unless `certificate` bears exactly the DNS name `name`. */
function checkName(name: string, certificate: PeerCertificate): Error | undefined {
  const names = dnsNames(certificate)
  return name !== '' && names.includes(name.toLowerCase())
    ? undefined
    : new Error(`the certificate is for ${names.join(', ') || 'nobody'}, not ${name}`)
}
