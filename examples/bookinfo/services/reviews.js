// What readers say of a book, with stars where STARS names a colour: then it asks ratings.
import { ask, serve, version } from './mesh.js'

const texts = [
  { reviewer: 'reviewer 1', text: 'Two pairs of twins, one city, and nobody is who he seems: I laughed from the first scene on.' },
  { reviewer: 'reviewer 2', text: 'Lighter than his later plays, and better for it.' },
]
const colour = process.env.STARS

serve(async ({ path, headers }) => {
  const [, id] = /^\/reviews\/(\d+)$/.exec(path) ?? []
  if (id === undefined) return undefined
  if (!colour) return { id: Number(id), version, reviews: texts }
  const rated = await ask('ratings', `/ratings/${id}`, { cause: headers }).catch((error) => ({ ratings: {}, error: error.message }))
  const reviews = texts.map((review) => ({ ...review, stars: rated.ratings[review.reviewer], colour }))
  return { id: Number(id), version, reviews, ratings: rated.error ? { error: rated.error } : { version: rated.version } }
})
