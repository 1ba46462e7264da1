import type { IncomingMessage, ServerResponse } from 'node:http'
import { behaviour } from '../support/conformance.ts'
import { ask } from '../support/client.ts'

const echo = (request: IncomingMessage, response: ServerResponse): void => void response.end(JSON.stringify(request.headers))
const headersOf = (body: string): Record<string, string> => JSON.parse(body) as Record<string, string>

behaviour('a trace is begun for a request that belongs to none, and stands in the access log', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const seen = [headersOf((await ask(router.http, host)).body), headersOf((await ask(router.http, host)).body)]
  for (const headers of seen) {
    const [trace, span] = [headers['x-b3-traceid'] ?? '', headers['x-b3-spanid'] ?? '']
    t.match(trace, /^[0-9a-f]{32}$/)
    t.match(span, /^[0-9a-f]{16}$/)
    t.equal(headers['b3'], `${trace}-${span}`)
    t.equal(headers['traceparent'], `00-${trace}-${span}-01`, 'one trace in both forms')
    t.same(Object.keys(headers).filter((name) => name.startsWith('x-mesh-')), [])
  }
  t.not(seen[0]?.['x-b3-traceid'], seen[1]?.['x-b3-traceid'])
  const line = await mesh.eventually(() => router.accessLog().find((entry) => entry['b3_trace_id'] === seen[0]?.['x-b3-traceid']))
  t.match(line, { host, traceparent: seen[0]?.['traceparent'], b3: seen[0]?.['b3'], b3_span_id: seen[0]?.['x-b3-spanid'] })
})

behaviour('trace headers of a client are passed on as they are', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const span = 'b7ad6b7169203331'
  const w3c = { traceparent: `00-${trace}-${span}-00`, tracestate: 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE' }
  const single = { b3: `${trace}-${span}-0` }
  const several = { 'x-b3-traceid': span, 'x-b3-spanid': span, 'x-b3-parentspanid': span, 'x-b3-sampled': '0' }
  t.match(headersOf((await ask(router.http, host, { headers: { ...w3c, ...single } })).body), { ...w3c, ...single, 'x-b3-traceid': undefined })
  t.match(headersOf((await ask(router.http, host, { headers: { ...w3c, ...several } })).body), { ...w3c, ...several, b3: undefined })
  const onlyW3c = headersOf((await ask(router.http, host, { headers: w3c })).body)
  t.match(onlyW3c, { ...w3c, b3: /^[0-9a-f]{32}-[0-9a-f]{16}$/ })
  t.same(Object.keys(onlyW3c).filter((name) => name.startsWith('x-mesh-')), [])
  t.match(headersOf((await ask(router.http, host, { headers: several })).body), { ...several, traceparent: /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/ })
  const line = await mesh.eventually(() => router.accessLog().find((entry) => entry['host'] === host && entry['b3'] === single.b3))
  t.match(line, w3c)
})

behaviour('a traceparent that cannot be read is replaced', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  for (const traceparent of ['x', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331', '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-00']) {
    t.match(headersOf((await ask(router.http, host, { headers: { traceparent } })).body)['traceparent'], /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  }
})
