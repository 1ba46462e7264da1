import { request } from 'node:http'
import { connect } from 'node:net'
import type { HealthCheck } from '../../diego.ts'

/** How long one check may take unless the app says otherwise, milliseconds (Diego's default). */
const defaultInvocationTimeout = 1000

/** Checks an instance once. Rejects with the reason, in Diego's words, when it isn't healthy. */
export async function checkHealth(
  { type, endpoint, invocationTimeoutMs = defaultInvocationTimeout }: HealthCheck,
  host: string,
  port: number,
): Promise<void> {
  if (type === 'process') return
  if (type === 'port') return checkPort(host, port, invocationTimeoutMs)
  return checkHttp(host, port, endpoint ?? '/', invocationTimeoutMs)
}

function checkPort(host: string, port: number, timeout: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal: AbortSignal.timeout(timeout) })
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', (error) => reject(new Error(`Failed to make TCP connection to ${host}:${port}: ${reasonOf(error)}`)))
  })
}

function checkHttp(host: string, port: number, path: string, timeout: number): Promise<void> {
  const target = `http request to 'http://${host}:${port}${path}'`
  return new Promise((resolve, reject) => {
    const check = request({
      host,
      port,
      path,
      agent: false,
      signal: AbortSignal.timeout(timeout),
      headers: { 'User-Agent': 'diego-healthcheck' },
    })
    check.once('response', (response) => {
      response.once('error', () => {}).destroy()
      if (response.statusCode === 200) resolve()
      else reject(new Error(`Failed to make ${target}: received status code ${response.statusCode}`))
    })
    check.on('error', (error) => reject(new Error(`Failed to make ${target}: ${reasonOf(error)}`)))
    check.end()
  })
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'ECONNREFUSED') return 'connection refused'
  return error.name === 'AbortError' || error.code === 'ABORT_ERR' ? 'timed out' : error.message
}
