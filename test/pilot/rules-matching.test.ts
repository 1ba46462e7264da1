import { isUtf8 } from 'node:buffer'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { test, type Test } from 'tap'
import * as fc from 'fast-check'
import type { HttpRoute } from '../../src/mesh/istio/types.ts'
import { normalizePath, splitTarget } from '../../src/mesh/path.ts'
import type { Change } from '../../src/mesh/records.ts'
import { recordSource } from '../../src/mesh/rules/record-source.ts'
import { rulesOf, traceRules } from '../../src/mesh/rules/trace.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { TestRouter } from '../istio-router/embedded/support.ts'
import { ask } from '../support/client.ts'
import { ruleHeader, rulesHost, someRequest, someRules, type SomeRequest } from '../support/matching.ts'
import { seeded } from '../support/seed.ts'
import { eventually } from '../support/wait.ts'
import { resource, route } from './records.ts'
import { envoyAbsent, Rig, settingsOf } from './rig.ts'

/** Which rule a request meets: its number, `none`, or `refused` for what is no request. */
type Verdict = string

interface Matcher {
  serve: (http: HttpRoute[]) => Promise<void>
  /** Undefined where the matcher cannot be asked that. */
  verdict: (request: SomeRequest) => Promise<Verdict | undefined>
}

const shaped = route(rulesHost, [])
const records = (http: HttpRoute[]): Change[] => [shaped, resource('VirtualService', 'rules', { hosts: [rulesHost], http })]
const authority = ({ upper, end }: SomeRequest): string => (upper ? rulesHost.toUpperCase() : rulesHost) + end

/** Asks a router over connections that it keeps. */
function asking(t: Test, ports: { http: number; https: number }): Matcher['verdict'] {
  const agents = {
    http: new HttpAgent({ keepAlive: true }),
    https: new HttpsAgent({ keepAlive: true, rejectUnauthorized: false, servername: 'mesh.test' }),
  }
  t.teardown(() => Object.values(agents).forEach((agent) => agent.destroy()))
  return async (request) => {
    const { tls, method, target, headers } = request
    const options = { method, path: target, headers, ...(tls ? { tls: {}, agent: agents.https } : { agent: agents.http }) }
    const answer = await ask(tls ? ports.https : ports.http, authority(request), options)
    if (answer.status === 400) return 'refused'
    return answer.status === 404 ? 'none' : String(answer.headers[ruleHeader])
  }
}

async function envoy(t: Test): Promise<Matcher> {
  const rig = await Rig.start({ listeners: [{}, { tls: true }] })
  t.teardown(() => rig.stop())
  const translator = new Translator(settingsOf())
  rig.cache.apply({ changed: translator.constants, removed: [] })
  const [http, https] = rig.ports as [number, number]
  const verdict = asking(t, { http, https })
  let turn = 0
  return {
    verdict,
    async serve(rules) {
      // Its worker learns of them a moment after they are acknowledged.
      const barrier = `/barrier/${++turn}`
      const first: HttpRoute = {
        match: [{ uri: { exact: barrier } }],
        directResponse: { status: 200 },
        headers: { response: { set: { [ruleHeader]: barrier } } },
      }
      rig.cache.apply(translator.apply(records([first, ...rules])))
      await rig.settled()
      if (rig.refused.length) throw new Error(`Envoy refuses ${JSON.stringify(rig.refused.splice(0))}`)
      await rig.listening()
      await eventually(
        async () => (await verdict({ tls: false, method: 'GET', end: '', upper: false, target: barrier, headers: {} })) === barrier,
      )
    },
  }
}

async function embedded(t: Test): Promise<Matcher> {
  const router = await TestRouter.start(t)
  return {
    verdict: asking(t, router),
    async serve(rules) {
      const refused = await router.change(records(rules))
      if (refused.length) throw new Error(`the embedded engine refuses ${JSON.stringify(refused)}`)
    },
  }
}

/** Whether somebody could have typed the values: Node gives and takes the bytes of UTF-8 as characters of Latin-1. */
const isText = (headers: SomeRequest['headers']): boolean =>
  Object.values(headers)
    .flat()
    .every((value) => isUtf8(Buffer.from(value, 'latin1')))

/** What `meshctl trace` says. */
function trace(): Matcher {
  let rules: HttpRoute[] = []
  return {
    serve: async (http) => void (rules = http),
    async verdict(request) {
      const { tls, method, target, headers } = request
      const { path, query } = splitTarget(target)
      const normal = normalizePath(path)
      if (normal === undefined) return 'refused'
      if (!isText(headers)) return undefined
      const lines = Object.entries(headers).flatMap(([name, values]) =>
        [values].flat().map((value) => [name, Buffer.from(value, 'latin1').toString()] as const),
      )
      const { rules: traced } = traceRules(rulesOf(recordSource(records(rules)), shaped.value!)!, {
        method,
        scheme: tls ? 'https' : 'http',
        authority: authority(request),
        path: normal,
        query: query.slice(1),
        headers: lines,
      })
      const last = traced.at(-1)!
      return last.matched ? String(traced.length - 1) : 'none'
    },
  }
}

test('Envoy, the embedded engine and meshctl trace take the same rule for any request', { skip: envoyAbsent }, async (t) => {
  const matchers = { envoy: await envoy(t), embedded: await embedded(t), trace: trace() }
  const { seed, numRuns } = seeded(t, 40)
  let compared = 0
  let met = 0
  await fc.assert(
    fc.asyncProperty(someRules, fc.array(someRequest, { minLength: 50, maxLength: 50 }), async (rules, requests) => {
      await Promise.all(Object.values(matchers).map((matcher) => matcher.serve(rules)))
      for (const request of requests) {
        const [expected, ...others] = await Promise.all(
          [matchers.envoy, matchers.embedded, matchers.trace].map((matcher) => matcher.verdict(request)),
        )
        compared++
        if (expected !== 'none') met++
        if (others.some((verdict) => verdict !== undefined && verdict !== expected))
          throw new Error(
            `of rules ${JSON.stringify(rules.map(({ match }) => match))}\n${JSON.stringify(request)} meets at Envoy ${expected}, embedded ${others[0]}, in a trace ${others[1]}`,
          )
      }
    }),
    { seed, numRuns, endOnFailure: true },
  )
  t.comment(`${compared} requests compared, ${met} met a rule`)
  t.ok(met > compared / 5, `${met} of ${compared} met a rule`)
})
