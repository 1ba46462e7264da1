// The agency: puts a travel together. What one service cannot offer is left out and named; only where none can, there is no travel. From v2
// on a travel has its total, from v3 on less five percent for taking everything together.
import { ask, serve, version } from './mesh.js'

const parts = ['flights', 'hotels', 'cars', 'insurances']

serve(async ({ path, headers }) => {
  const [, city] = /^\/travels\/([a-z]+)$/.exec(path) ?? []
  if (!city) return undefined
  const offers = await Promise.all(
    parts.map((part) => ask(part, `/${part}/${city}`, { cause: headers }).catch((error) => ({ error: error.message }))),
  )
  const good = offers.filter(({ error }) => !error)
  if (!good.length) return { status: 503, body: { version, error: offers.map(({ error }) => error).join(', ') } }
  const sum = good.reduce((total, { price }) => total + price, 0)
  return {
    city,
    version,
    ...Object.fromEntries(parts.map((part, at) => [part, offers[at]])),
    missing: parts.filter((_part, at) => offers[at].error),
    ...(version === 'v2' && { total: sum }),
    ...(version === 'v3' && { total: good.length === parts.length ? Math.round(sum * 95) / 100 : sum }),
  }
})
