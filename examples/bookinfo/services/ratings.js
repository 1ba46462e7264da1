// How many stars reviewers gave to a book. With FAULTY, the first of three requests fails, and the second takes five seconds.
import { setTimeout as delay } from 'node:timers/promises'
import { serve, version } from './mesh.js'

const ratings = { 'reviewer 1': 5, 'reviewer 2': 4 }
const faulty = process.env.FAULTY === 'yes'
let requests = 0

serve(async ({ path }) => {
  const [, id] = /^\/ratings\/(\d+)$/.exec(path) ?? []
  if (id === undefined) return undefined
  const turn = faulty ? requests++ % 3 : 2
  if (turn === 0) return { status: 503, body: { error: 'a fault that was asked for' } }
  if (turn === 1) await delay(5000)
  return { id: Number(id), version, ratings }
})
