// Asks the database (database.js) over one connection, which is made anew where it broke. DATABASE is its HOST:PORT.
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const [, host, port] = /^(.*):(\d+)$/.exec(process.env.DATABASE)
let connection

/** Resolves with what a question is answered, undefined where there is nothing; rejects where the database refuses or is away. */
export function query(question, timeout = 3000) {
  connection ??= open()
  const { socket, waiting } = connection
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error('the database does not answer')), timeout)
    waiting.push((error, line) => {
      clearTimeout(timer)
      if (error) reject(error)
      else if (line.startsWith('!')) reject(new Error(line.slice(2)))
      else resolve(line.startsWith('=') ? line.slice(2) : undefined)
    })
    socket.write(`${question}\n`)
  })
}

function open() {
  const socket = connect({ host, port }).setNoDelay()
  const waiting = []
  let cause = new Error('the database closed the connection')
  createInterface({ input: socket })
    .on('line', (line) => waiting.shift()?.(undefined, line))
    .on('error', () => {})
  socket.on('error', (error) => (cause = error))
  socket.on('close', () => {
    connection = undefined
    for (const done of waiting.splice(0)) done(cause)
  })
  return { socket, waiting }
}
