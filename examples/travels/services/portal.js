// A portal that travellers of one country use: asks the agency again and again, as they would, and counts what it hears.
//   GET  /status            who it is, how busy, and what it heard since its start
//   POST /settings?rate=5   travels a second
//   POST /travel?n=100      so many travels at once, besides; answers what came of those
import { call, serve } from './mesh.js'

const { PORTAL_NAME: name, PORTAL_COUNTRY: country, PORTAL_RATE = '1' } = process.env
const cities = ['amsterdam', 'lisbon', 'london', 'madrid', 'paris', 'prague', 'rome', 'vienna']
const devices = ['web', 'mobile']
const users = ['registered', 'new']
const travels = ['t1', 't2', 't3']

/**
 * What came of travels: how often each status (`error` where there was no answer) and version; `missing`, those without one of their parts,
 * by part; `refused`, answers of a router in place of the agency.
 */
const newCounts = () => ({ requests: 0, statuses: {}, versions: {}, missing: {}, refused: 0 })

function add(counts, { status, body }) {
  const count = (of, key) => (of[key] = (of[key] ?? 0) + 1)
  counts.requests++
  count(counts.statuses, status)
  if (body?.version) count(counts.versions, body.version)
  else counts.refused++
  for (const part of body?.missing ?? []) count(counts.missing, part)
}

let turn = 0
const next = (list) => list[turn % list.length]

/** One traveller. Each has another city, device and kind. */
async function travel(counts) {
  turn++
  const headers = { portal: name, device: next(devices), user: next(users), travel: next(travels) }
  add(
    counts,
    await call('travels', `/travels/${next(cities)}`, { headers }).catch((error) => ({ status: 'error', body: { error: error.message } })),
  )
}

const total = newCounts()
let rate = Number(PORTAL_RATE)

async function keepAsking() {
  for (;;) {
    await new Promise((go) => setTimeout(go, 1000 / Math.max(rate, 0.1)))
    if (rate > 0) await travel(total)
  }
}

/** `n` travels, `lanes` at a time. */
async function travelTogether(n, lanes) {
  const counts = newCounts()
  let begun = 0
  const lane = async () => {
    while (begun++ < n) await travel(counts)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return counts
}

const within = (text, least, most) => Math.min(Math.max(Number(text) || 0, least), most)

serve(({ method, path, query }) => {
  if (path === '/status') return { name, country, rate, ...total }
  if (method !== 'POST') return undefined
  if (path === '/travel') return travelTogether(within(query.get('n'), 1, 5000), within(query.get('lanes') ?? 8, 1, 50))
  if (path !== '/settings') return undefined
  rate = within(query.get('rate'), 0, 50)
  return { name, rate }
})
void keepAsking()
