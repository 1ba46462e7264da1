// Answers after as many milliseconds as ?ms asks for.
const { createServer } = require('node:http')

createServer((request, response) => {
  const milliseconds = Number(new URL(request.url, 'http://slow').searchParams.get('ms'))
  setTimeout(() => response.end(`slept ${milliseconds}\n`), milliseconds)
}).listen(process.env.PORT)
