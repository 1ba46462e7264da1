// Answers every request with who it is: the sample app that `npm start` pushes.
const { createServer } = require('node:http')

const { application_name: app } = JSON.parse(process.env.VCAP_APPLICATION || '{"application_name":"hello"}')
const instance = process.env.CF_INSTANCE_INDEX || '0'

const server = createServer((request, response) => {
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  response.end(`Hello from ${app}, instance ${instance}, over the mesh: you asked for ${request.headers.host}${request.url}\n`)
})
server.listen(process.env.PORT || 8080, () => console.log(`${app} listens on ${server.address().port}`))
process.on('SIGTERM', () => server.close(() => process.exit(0)))
