// The page of a book: asks details and reviews, and shows what came. JSON where the client accepts that, else HTML. /status tells without
// calling anybody.
import { ask, serve } from './mesh.js'

serve(async ({ path, query, headers }) => {
  if (path === '/status') return { ok: true }
  const [, id = '0'] = /^\/(?:products\/(\d+))?$/.exec(path) ?? []
  if (path !== '/' && path !== `/products/${id}`) return undefined
  const user = query.get('user') ?? headers['end-user']
  const cause = { ...headers, ...(user && { 'end-user': user }) }
  const part = (service) => ask(service, `/${service}/${id}`, { cause }).catch((error) => ({ error: error.message }))
  const [details, reviews] = await Promise.all([part('details'), part('reviews')])
  return headers.accept?.includes('application/json') ? { id: Number(id), user, details, reviews } : page({ user, details, reviews })
})

function page({ user, details, reviews }) {
  const facts = Object.entries(details).map(([name, value]) => `<dt>${escape(name)}</dt><dd>${escape(value)}</dd>`)
  const rating = (stars, colour) => (stars ? ` <span style="color:${colour}">${'★'.repeat(stars)}${'☆'.repeat(5 - stars)}</span>` : '')
  const opinion = ({ reviewer, text, stars, colour }) =>
    `<blockquote>${escape(text)}<footer>${escape(reviewer)}${rating(stars, colour)}</footer></blockquote>`
  const opinions = (reviews.reviews ?? []).map(opinion)
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escape(details.title ?? 'A book')}</title>
<style>body{font:16px/1.5 sans-serif;max-width:40em;margin:2em auto}dt{float:left;clear:left;width:8em;color:#666}dd{margin-left:8em}</style>
<h1>${escape(details.title ?? 'A book')}</h1>
<p>${user ? `Signed in as ${escape(user)}` : 'Not signed in; add <code>?user=NAME</code>'}</p>
<dl>${facts.join('')}</dl>
<h2>Reviews (${escape(reviews.version ?? reviews.error)})</h2>
${opinions.join('\n')}${reviews.ratings?.error ? '<p>Ratings are not available.</p>' : ''}
</html>
`
}

function escape(value) {
  return String(value).replaceAll(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`)
}
