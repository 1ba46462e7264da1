// What cars, flights, hotels and insurances have in common: a price for a city, less the caller's discount.
import { ask, serve, version } from './mesh.js'

/** Serves `/NAME/CITY`. `priceOf` resolves with a city's price in euros, undefined for an unknown city. */
export function offer(name, priceOf) {
  serve(async ({ path, headers }) => {
    const [, city] = new RegExp(`^/${name}/([a-z]+)$`).exec(path) ?? []
    const price = city && (await priceOf(city))
    if (price === undefined) return undefined
    const { percent } = await ask('discounts', `/discounts/${encodeURIComponent(headers.user ?? 'new')}`, { cause: headers }).catch(() => ({
      percent: 0,
    }))
    return { city, version, price: Math.round(price * (100 - percent)) / 100, discount: percent }
  })
}

/** The price that the database has for a city. */
export async function databasePrice(table, city) {
  const { query } = await import('./database-client.js')
  const price = await query(`PRICE ${table} ${city}`)
  return price === undefined ? undefined : Number(price)
}
