// What is known of a book; where CATALOGUE names a host outside, with what that one adds, by way of the mesh.
import { ask, serve, version } from './mesh.js'

const books = [
  { title: 'The Comedy of Errors', author: 'William Shakespeare', year: 1595, pages: 200, language: 'English', type: 'paperback' },
]
const catalogue = process.env.CATALOGUE

serve(async ({ path, headers }) => {
  const [, id] = /^\/details\/(\d+)$/.exec(path) ?? []
  if (!books[id]) return undefined
  const more = catalogue ? await ask(catalogue, `/books/${id}`, { cause: headers }) : {}
  return { id: Number(id), version, ...books[id], ...more }
})
