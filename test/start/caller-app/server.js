// /SERVICE calls SERVICE over TLS with the instance's identity; /plain/SERVICE without.
const { readFileSync } = require('node:fs')
const http = require('node:http')
const https = require('node:https')

const {
  MESH_INTERNAL_ADDRESS,
  MESH_INTERNAL_CA,
  MESH_INTERNAL_DOMAIN,
  MESH_INTERNAL_PORT,
  MESH_INTERNAL_TLS_PORT,
  CF_INSTANCE_CERT,
  CF_INSTANCE_KEY,
  PORT,
} = process.env

http
  .createServer((request, response) => {
    if (request.headers['x-say-headers']) return response.end(JSON.stringify(request.headers))
    const [service, plain] = request.url.split('/').toReversed()
    const host = `${service}.${MESH_INTERNAL_DOMAIN}`
    const options = { host: MESH_INTERNAL_ADDRESS ?? host, headers: { host, 'x-say-headers': 'yes' } }
    const identity = () => ({
      port: MESH_INTERNAL_TLS_PORT,
      servername: host,
      ca: MESH_INTERNAL_CA,
      cert: readFileSync(CF_INSTANCE_CERT),
      key: readFileSync(CF_INSTANCE_KEY),
    })
    const call = plain ? http.get({ ...options, port: MESH_INTERNAL_PORT }) : https.get({ ...options, ...identity() })
    call.on('response', (answer) => {
      response.statusCode = answer.statusCode
      answer.pipe(response)
    })
    call.on('error', (error) => response.writeHead(500).end(error.message))
  })
  .listen(PORT)
