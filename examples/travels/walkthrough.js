// The walk-through of docs/examples/travels.md: pushes the services to a running `npm start`, and checks what each rule does.
import { join } from 'node:path'
import { eventually, expect, expectShare, Walkthrough } from '../support/checks.js'
import { accessLog, apply, freePort, get, instanceAddress, push, ready, remove } from '../support/started.js'

const here = import.meta.dirname
const rules = (name) => join(here, 'rules', `${name}.yaml`)
const control = `travels.${ready.domains.mesh}`
const loadtester = `loadtester.${ready.domains.mesh}`
const portals = ['travels.uk', 'viaggi.it', 'voyages.fr']

/** POSTs and resolves with the JSON that comes back. */
async function post(host, path) {
  const { status, body } = await get(host, path, {}, 'POST')
  expect(status === 200, `${path} answered ${status}: ${JSON.stringify(body)}`)
  return body
}

/** Has a portal make `n` travels; resolves with its counts. */
const travel = (portal, n, lanes = 8) => post(control, `/portals/${portal}/travel?n=${n}&lanes=${lanes}`)
const only = (counts, key, n) =>
  expect(counts[key] === n && Object.keys(counts).length === 1, `saw ${JSON.stringify(counts)}, and wanted ${n} of ${key} alone`)

/**
 * Where the services reach the database: by a port of the routers that the operator's Gateway opens, or, where the engine has none, its
 * own.
 */
async function reachDatabase() {
  if (ready.engine !== 'envoy') return instanceAddress('database')
  const port = await freePort()
  await apply(rules('database'), { namespace: 'mesh-system', replace: (text) => text.replaceAll('15306', port) })
  return `127.0.0.1:${port}`
}

const walk = new Walkthrough(`travels on the ${ready.engine} engine`)

await walk.step('the services are pushed, and travels have all their parts', async () => {
  await push(join(here, 'manifest-database.yml'))
  const database = await reachDatabase()
  await push(join(here, 'manifest.yml'), { 'mesh-domain': ready.domains.mesh, database })
  await eventually('every version answers, with all parts', async () => {
    const { versions, missing, statuses } = await travel('travels.uk', 12)
    return Object.keys(versions).sort().join() === 'v1,v2,v3' && !Object.keys(missing).length && statuses[200] === 12
  })
})

await walk.step('control shows the portals', async () => {
  const seen = await eventually('all three have asked the agency', async () => {
    const { body } = await get(control)
    return body.portals.every(({ requests }) => requests > 0) && body
  })
  expect(seen.portals.map(({ name }) => name).join() === portals.join(), 'other portals')
  const { body } = await get(control, '/', { accept: 'text/html' })
  for (const portal of portals) expect(body.includes(portal), `the page lacks ${portal}`)
  for (const portal of portals) expect((await post(control, `/portals/${portal}/settings?rate=0`)).rate === 0, 'the rate stays')
})

await walk.step('by portal: each has its version', async () => {
  await apply(rules('versions'))
  await apply(rules('travels-by-portal'))
  for (const [at, portal] of portals.entries()) only((await travel(portal, 40)).versions, `v${at + 1}`, 40)
})

await walk.step('three versions, 33/33/33', async () => {
  await apply(rules('travels-33-33-33'))
  const { versions } = await travel('travels.uk', 300)
  return ['v1', 'v2', 'v3'].map((version) => expectShare(version, versions[version] ?? 0, 300, 1 / 3)).join(', ')
})

await walk.step('abort: 10 % of hotels fail with 503, and travels still answers 200', async () => {
  await apply(rules('hotels-abort'))
  const { statuses, missing } = await travel('viaggi.it', 400)
  only(statuses, 200, 400)
  expect(Object.keys(missing).join() === 'hotels', `missing were ${JSON.stringify(missing)}`)
  return expectShare('without hotels', missing.hotels, 400, 0.1)
})

await walk.step('load of 50 connections, without a circuit breaker', async () => {
  await remove('vs/hotels')
  const { requests, statuses, overloaded } = await post(loadtester, '/run?connections=50&calls=6')
  expect(requests === 300 && overloaded === 0, `${overloaded} of ${requests} were refused`)
  only(statuses, 200, 300)
})

await walk.step('circuit breaker: one connection and one waiting request, the rest refused at once', async () => {
  await apply(rules('circuit-breaker'))
  const { requests, statuses, overloaded } = await post(loadtester, '/run?connections=50&calls=6')
  expect(requests === 300 && statuses[200] + statuses[503] === 300, `heard ${JSON.stringify(statuses)}`)
  expect(
    overloaded === statuses[503] && overloaded > 100,
    `${overloaded} were refused with x-envoy-overloaded, of ${statuses[503]} with 503`,
  )
  await eventually('the access log has the flag UO', () =>
    accessLog().some(({ host, flags }) => host === 'travels.apps.mesh.internal' && flags === 'UO'),
  )
  only((await travel('travels.uk', 10, 1)).statuses, 200, 10)
  return `${statuses[200]} served, ${overloaded} refused`
})

await walk.step('two errors in a row take the agency out, and three seconds later it is tried again', async () => {
  await apply(rules('offers-down'))
  const open = await travel('travels.uk', 10, 1)
  only(open.statuses, 503, 10)
  // Envoy's workers tell each other of an ejection, so that one or two more may get through.
  expect(open.refused >= 6 && open.refused <= 8, `${open.refused} of 10 never reached the agency`)
  await remove('vs/cars', 'vs/flights', 'vs/hotels', 'vs/insurances')
  await eventually('the agency is back', async () => (await travel('travels.uk', 1)).statuses[200] === 1)
  await eventually('and stays', async () => (await travel('travels.uk', 10, 1)).statuses[200] === 10)
  return `${open.refused} of 10 never reached it`
})

await walk.step('without rules, every version answers again', async () => {
  await remove('vs/travels', 'dr/travels')
  await eventually(
    'every version answers',
    async () =>
      Object.keys((await travel('voyages.fr', 12)).versions)
        .sort()
        .join() === 'v1,v2,v3',
  )
})

walk.end()
