// The walk-through of docs/examples/bookinfo.md: pushes the services to a running `npm start`, and checks what each rule does.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually, expect, expectShare, many, tally, Walkthrough } from '../support/checks.js'
import { apply, get, meshctl, push, ready, remove } from '../support/started.js'

const here = import.meta.dirname
const rules = (name) => join(here, 'rules', `${name}.yaml`)
const host = `bookinfo.${ready.domains.mesh}`
const python = spawnSync('/usr/bin/env', ['python3', '--version']).status === 0

/** The page of the book as JSON, in the mouth of a client with these headers. */
async function page(headers) {
  const { status, body, took } = await get(host, '/', headers)
  expect(status === 200, `the page answered ${status}`)
  return { ...body, took }
}

const versions = async (n) => tally(await many(n, 16, page), ({ reviews }) => reviews.version ?? reviews.error)
const only = (counts, version) =>
  expect(Object.keys(counts).join() === version, `saw ${JSON.stringify(counts)}, and wanted ${version} alone`)

async function split(name, shares, n) {
  await apply(rules(name))
  const counts = await versions(n)
  const whole = Object.values(shares).reduce((sum, share) => sum + share)
  for (const version of Object.keys(counts)) expect(version in shares, `saw ${version}`)
  return Object.entries(shares)
    .map(([version, share]) => expectShare(version, counts[version] ?? 0, n, share / whole))
    .join(', ')
}

const walk = new Walkthrough(`bookinfo on the ${ready.engine} engine`)

await walk.step('the services are pushed and answer', async () => {
  await push(join(here, 'manifest.yml'), { 'mesh-domain': ready.domains.mesh })
  await eventually(
    'every version of reviews answers',
    async () =>
      Object.keys(await versions(12))
        .sort()
        .join() === 'v1,v2,v3',
  )
})

await walk.step('rules: everything to the first versions', async () => {
  await apply(rules('versions'))
  await apply(rules('all-v1'))
  only(await versions(60), 'v1')
  const { headers, body } = await get(host, '/?user=ann', { accept: 'text/html' })
  expect(headers['content-type'].includes('html') && body.includes('Signed in as ann') && !body.includes('★'), 'the HTML page is another')
})

await walk.step('canary, 95/5', () => split('reviews-95-5', { v1: 95, v3: 5 }, 600))
await walk.step('roll-out, 80/20', () => split('reviews-80-20', { v1: 80, v2: 20 }, 400))
await walk.step('three versions, 33/33/33', () => split('reviews-33-33-33', { v1: 33, v2: 33, v3: 33 }, 400))

await walk.step('by User-Agent and by user', async () => {
  await apply(rules('reviews-user-agent'))
  const seen = async (headers) =>
    tally(await many(20, 8, () => page(headers)), ({ reviews }) => `${reviews.version} ${reviews.reviews[0].colour ?? 'without'}`)
  only(await seen({ 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0' }), 'v3 red')
  only(await seen({ 'user-agent': 'curl/8.0' }), 'v1 without')
  only(await seen({ 'end-user': 'jason', 'user-agent': 'Firefox/128.0' }), 'v2 black')
})

await walk.step('staged roll-out under load, without a failed request', async () => {
  await apply(rules('all-v1'))
  let rolling = true
  const answers = []
  const visitor = async () => {
    while (rolling) {
      const { status, body } = await get(host)
      answers.push({ status, version: body.reviews?.version ?? JSON.stringify(body.reviews), last: body.details?.error })
      await delay(20)
    }
  }
  const visitors = Promise.all(Array.from({ length: 8 }, visitor))
  for (const stage of ['reviews-95-5', 'reviews-50-50', 'reviews-v3'])
    await apply(rules(stage)).catch((error) => answers.push({ status: error.message }))
  rolling = false
  await visitors
  const failed = answers.filter(({ status, version, last }) => status !== 200 || !/^v[13]$/.test(version) || last)
  expect(!failed.length, `${failed.length} of ${answers.length} failed, the first with ${JSON.stringify(failed[0])}`)
  only(await versions(40), 'v3')
  return `${answers.length} requests, ${JSON.stringify(tally(answers, ({ version }) => version))}`
})

await walk.step('delay: 33 % of ratings come 3 s late', async () => {
  await apply(rules('ratings-delay'))
  const pages = await many(180, 60, page)
  const late = pages.filter(({ took }) => took >= 2990)
  expect(
    pages.every(({ reviews }) => reviews.reviews[0].stars === 5),
    'some came without stars',
  )
  return expectShare('late', late.length, pages.length, 0.33)
})

await walk.step('timeout: a second for ratings that fail or hang, else none', async () => {
  await apply(rules('ratings-timeout'))
  const pages = await many(9, 1, page)
  const outcomes = tally(pages, ({ reviews }) => reviews.ratings.error ?? 'rated')
  expect(
    outcomes['ratings answered 503'] === 3 && outcomes['ratings answered 504'] === 3 && outcomes.rated === 3,
    `saw ${JSON.stringify(outcomes)}`,
  )
  const slowest = Math.max(...pages.map(({ took }) => took))
  expect(slowest < 4000, `the slowest page took ${slowest.toFixed()} ms`)
  return JSON.stringify(outcomes)
})

await walk.step('retries: nobody sees what fails or hangs once', async () => {
  await apply(rules('ratings-retries'))
  const pages = await many(6, 1, page)
  const outcomes = tally(pages, ({ reviews }) => reviews.ratings.error ?? `rated by ${reviews.ratings.version}`)
  only(outcomes, 'rated by faulty')
})

if (python) {
  await walk.step('a service in another language: ratings in Python', async () => {
    await push(join(here, 'manifest-python.yml'))
    await apply(rules('ratings-v2'))
    only(
      await eventually('ratings v2 answers', async () =>
        tally(await many(20, 4, page), ({ reviews }) => reviews.ratings.version ?? reviews.ratings.error),
      ),
      'v2',
    )
  })
} else walk.skip('a service in another language', 'there is no python3')

await walk.step('egress: a host outside by ServiceEntry, with retries', async () => {
  let asked = 0
  const catalogue = createServer((request, response) => {
    const fails = asked++ % 2 === 0
    response.writeHead(fails ? 503 : 200, { 'content-type': 'application/json' })
    response.end(fails ? '' : JSON.stringify({ isbn: '0000000000', host: request.headers.host, path: request.url }))
  }).listen(0, '127.0.0.1')
  await once(catalogue, 'listening')
  const port = catalogue.address().port
  const here = (text) => text.replace('8099', port)
  try {
    await apply(rules('details-v2'))
    const { code, out, err } = await meshctl(['apply', '-f', rules('catalogue')])
    expect(code !== 0 && /127\.0\.0\.1 is a private address/.test(out + err), `a space may name a private address: ${out}${err}`)
    expect((await page()).details.error === 'details answered 500', 'details knew the host before anything named it')
    await apply(rules('catalogue'), { namespace: 'mesh-system', replace: here })
    const pages = await many(20, 1, page)
    only(
      tally(pages, ({ details }) => details.error ?? `${details.isbn} ${details.host} ${details.path}`),
      '0000000000 catalogue.example.com /books/0',
    )
    expect(asked >= 40, `the catalogue was asked ${asked} times`)
  } finally {
    catalogue.close()
    catalogue.closeAllConnections()
  }
})

await walk.step('without rules, every version answers again', async () => {
  await remove('vs/reviews', 'vs/ratings', 'vs/details', 'dr/reviews', 'dr/ratings', 'dr/details')
  await eventually(
    'every version of reviews answers',
    async () =>
      Object.keys(await versions(12))
        .sort()
        .join() === 'v1,v2,v3',
  )
})

walk.end()
