// The app that the smoke tests push: answers with the token it was given.
require('node:http')
  .createServer((request, response) => response.end(process.env.SMOKE_TOKEN))
  .listen(process.env.PORT)
