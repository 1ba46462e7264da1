// The page on which the portals are seen: each one's state, and how to change it. PORTALS are NAME=SERVICE, separated by commas. What is
// POSTed to
// /portals/NAME/… goes to that portal.
import { ask, call, serve } from './mesh.js'

const portals = process.env.PORTALS.split(',').map((text) => text.split('='))

const stateOf = ([name, service]) => ask(service, '/status', { timeout: 2000 }).catch((error) => ({ name, error: error.message }))

serve(async ({ method, path, query, headers }) => {
  if (path === '/') {
    const states = await Promise.all(portals.map(stateOf))
    return headers.accept?.includes('application/json') ? { portals: states } : page(states)
  }
  const [, name, action] = /^\/portals\/([\w.]+)\/(travel|settings)$/.exec(path) ?? []
  const [, service] = portals.find(([known]) => known === name) ?? []
  if (method !== 'POST' || !service) return undefined
  const { status, body } = await call(service, `/${action}?${query}`, { method, timeout: 120_000 })
  return { status, body: body ?? {} }
})

function page(states) {
  const counts = (values = {}) =>
    Object.entries(values)
      .map(([name, count]) => `${name}: ${count}`)
      .join(', ')
  const rows = states.map(({ name, country, rate, requests, versions, statuses, missing, error }) => {
    const cells = error ? [error] : [country, `${rate}/s`, requests, counts(versions), counts(statuses), counts(missing)]
    return `<tr><th>${escape(name)}</th>${cells.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>`
  })
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="3"><title>Travels</title>
<style>body{font:16px/1.5 sans-serif;margin:2em}td,th{padding:.2em 1em;text-align:left}</style>
<h1>Portals</h1>
<table><tr><th>portal</th><th>country</th><th>rate</th><th>travels</th><th>versions of the agency</th><th>answers</th><th>parts left out</th></tr>
${rows.join('\n')}
</table>
</html>
`
}

function escape(value) {
  return String(value).replaceAll(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`)
}
