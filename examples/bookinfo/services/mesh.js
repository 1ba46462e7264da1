// What a service needs of the mesh: to answer, and to call others over the routers' internal listener with its own identity.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { Agent, request } from 'node:https'

const { MESH_INTERNAL_ADDRESS, MESH_INTERNAL_CA, MESH_INTERNAL_DOMAIN, MESH_INTERNAL_TLS_PORT, CF_INSTANCE_CERT, CF_INSTANCE_KEY, PORT } =
  process.env

export const { application_name: app } = JSON.parse(process.env.VCAP_APPLICATION)
export const version = process.env.VERSION

/** What is passed on from a request to those that it causes: the trace, who asks, and by what. */
const passedOn = /^(b3|x-b3-.*|traceparent|tracestate|user-agent|end-user|portal|device|user|travel)$/

const agent = new Agent({ keepAlive: true, ca: MESH_INTERNAL_CA })
let identity = { read: 0 }

/** The instance's certificate and key, read again each minute: the platform renews them in place. */
function ownIdentity() {
  if (Date.now() - identity.read > 60_000)
    identity = { read: Date.now(), cert: readFileSync(CF_INSTANCE_CERT), key: readFileSync(CF_INSTANCE_KEY) }
  return { cert: identity.cert, key: identity.key }
}

/**
 * Asks for `path` of a service: a label of the mesh-internal domain, or a host outside that a ServiceEntry names. `cause` are the headers
 * of the request that this is for. Resolves with status, headers and the JSON body; rejects where no answer comes within `timeout`
 * milliseconds.
 */
export function call(service, path, { cause = {}, headers = {}, method = 'GET', timeout = 10_000 } = {}) {
  const host = service.includes('.') ? service : `${service}.${MESH_INTERNAL_DOMAIN}`
  // The certificate of the routers' internal listener is for names under its domain.
  const servername = service.includes('.') ? `egress.${MESH_INTERNAL_DOMAIN}` : host
  const inherited = Object.fromEntries(Object.entries(cause).filter(([name]) => passedOn.test(name)))
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeout)
    const router = { host: MESH_INTERNAL_ADDRESS ?? servername, port: MESH_INTERNAL_TLS_PORT, servername, agent, ...ownIdentity() }
    const outgoing = request({ ...router, method, path, signal, headers: { ...inherited, ...headers, host } })
    outgoing.on('error', reject)
    outgoing.on('response', (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk) => (text += chunk))
      answer.on('error', reject)
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: json(text) }))
    })
    outgoing.end()
  })
}

function json(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The body of a 200, else an Error that names the service and what it answered. */
export async function ask(service, path, options) {
  const { status, body } = await call(service, path, options)
  if (status !== 200) throw new Error(`${service} answered ${status}`)
  return body
}

/**
 * Listens, and answers with what `handle` resolves with: an object as JSON, a string as HTML, `{ status, body }` for another status than
 * 200. It is given `{ method, path, query, headers }`. Idle connections are kept longer than routers keep them.
 */
export function serve(handle) {
  const server = createServer((incoming, response) => void respond(handle, incoming, response))
  server.keepAliveTimeout = 90_000
  server.listen(PORT, () => console.log(`${app} listens on ${PORT}`))
  process.on('SIGTERM', () => server.close(() => process.exit(0)))
}

async function respond(handle, incoming, response) {
  const send = (status, body) => {
    response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/html; charset=utf-8' : 'application/json' })
    response.end(typeof body === 'string' ? body : `${JSON.stringify(body)}\n`)
  }
  try {
    const url = new URL(incoming.url, 'http://service')
    const answer = await handle({ method: incoming.method, path: url.pathname, query: url.searchParams, headers: incoming.headers })
    if (answer === undefined) send(404, { error: `${app} has no ${url.pathname}` })
    else send(answer.status ?? 200, answer.status ? answer.body : answer)
  } catch (error) {
    send(500, { error: error.message })
  }
}
