// Load: POST /run?connections=50&calls=20 has so many connections ask the agency so often each, without a pause, and answers what they
// heard.
import { call, serve } from './mesh.js'

const { CONNECTIONS = '50', CALLS = '20' } = process.env

const visit = () =>
  call('travels', '/travels/paris', { headers: { portal: 'loadtester' }, timeout: 30_000 }).catch((error) => ({
    status: error.message,
    headers: {},
  }))

async function run(connections, calls) {
  const heard = { requests: 0, statuses: {}, overloaded: 0 }
  const connection = async () => {
    for (let i = 0; i < calls; i++) {
      const { status, headers } = await visit()
      heard.requests++
      heard.statuses[status] = (heard.statuses[status] ?? 0) + 1
      if (headers['x-envoy-overloaded'] === 'true') heard.overloaded++
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  return heard
}

const within = (text, most) => Math.min(Math.max(Number(text) || 1, 1), most)

serve(({ method, path, query }) => {
  if (path === '/') return { connections: Number(CONNECTIONS), calls: Number(CALLS) }
  if (path !== '/run' || method !== 'POST') return undefined
  return run(within(query.get('connections') ?? CONNECTIONS, 200), within(query.get('calls') ?? CALLS, 1000))
})
