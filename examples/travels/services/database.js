// A small database over TCP. A line is a question, and is answered by a line, in order:
//   PRICE TABLE CITY  →  = 120      or -, where there is none
//   CITIES            →  = paris london …
// Anything else is answered with ! and the reason.
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'

const cities = ['amsterdam', 'lisbon', 'london', 'madrid', 'paris', 'prague', 'rome', 'vienna']
const base = { cars: 40, flights: 150, hotels: 90 }

/** Prices rise with the city's place in the list, so that each is known and none is like another. */
const price = (table, city) => (table in base && cities.includes(city) ? base[table] + 10 * cities.indexOf(city) : undefined)

function answer(line) {
  const [command, table, city] = line.trim().split(' ')
  if (command === 'CITIES') return `= ${cities.join(' ')}`
  if (command !== 'PRICE') return `! ${command} is neither PRICE nor CITIES`
  const found = price(table, city)
  return found === undefined ? '-' : `= ${found}`
}

const server = createServer((socket) => {
  socket.on('error', () => {})
  createInterface({ input: socket }).on('line', (line) => socket.write(`${answer(line)}\n`))
})
server.listen(process.env.PORT, () => console.log(`database listens on ${process.env.PORT}`))
process.on('SIGTERM', () => process.exit(0))
