import * as fc from 'fast-check'
import { checkDocument } from '../../src/mesh/istio/check.ts'
import type { HttpMatch, HttpRoute, StringMatch } from '../../src/mesh/istio/types.ts'
import { typed } from './mesh.ts'

/** A request that rules can tell from others. */
export interface SomeRequest {
  tls: boolean
  method: string
  /** What follows the host in `Host`: a port, a dot, or nothing. */
  end: string
  upper: boolean
  target: string
  headers: Record<string, string | string[]>
}

/** Which rule answered is told in this header of the answer, so that also HEAD shows it. */
export const ruleHeader = 'x-rule'

const word = fc.array(fc.constantFrom('a', 'b', 'A', '1', '.', 'é', '-'), { maxLength: 3 }).map((letters) => letters.join(''))

/** Regular expressions over the letters of `word`, as people write them and as nobody would. */
const { regex } = fc.letrec<{ regex: string; atom: string; part: string }>((tie) => ({
  atom: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.constantFrom('a', 'b', 'A', '1', '.', '\\.', '[ab]', '[^a]', '\\d', '\\w', '[[:alpha:]]', '\\pL', '/', 'é', '-'),
    },
    { weight: 1, arbitrary: tie('regex').map((inner) => `(${inner})`) },
    { weight: 1, arbitrary: tie('regex').map((inner) => `(?:${inner})`) },
  ),
  part: fc.tuple(tie('atom'), fc.constantFrom('', '', '', '*', '+', '?', '*?', '{1,2}')).map(([atom, times]) => atom + times),
  regex: fc.oneof(
    { maxDepth: 3 },
    fc.array(tie('part'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
    fc.tuple(tie('regex'), tie('regex')).map(([one, other]) => `${one}|${other}`),
    tie('part').map((part) => `(?i)${part}`),
    tie('part').map((part) => `^${part}$`),
    fc.constantFrom('.*', '.*a.*', '(?s).*', '*', 'a$|^b', '\\Qa.b\\E', '^', '$', '\\ba', '/a.*'),
  ),
}))

const stringMatch = (text: fc.Arbitrary<string>): fc.Arbitrary<StringMatch> =>
  fc.oneof(
    text.map((exact) => ({ exact })),
    text.map((prefix) => ({ prefix })),
    regex.map((regex) => ({ regex })),
    fc.constant({}),
  )

const segment = fc.constantFrom('a', 'b', 'A', 'ab', '1', '.', '..', '', '%61', '%2F', '%5C', 'a%20b', '%E9', '\\', ';a')
const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`)
const plainPath = fc.array(fc.constantFrom('a', 'b', 'A', 'ab', '1', ''), { maxLength: 3 }).map((segments) => `/${segments.join('/')}`)
const uri: fc.Arbitrary<StringMatch> = fc.oneof(
  fc.oneof(path, plainPath).map((exact) => ({ exact })),
  fc.oneof(path, plainPath).map((prefix) => ({ prefix })),
  fc
    .oneof(
      regex,
      regex.map((inner) => `/${inner}`),
    )
    .map((regex) => ({ regex })),
)
const headerName = fc.constantFrom('x-a', 'X-B', 'user-agent', 'accept-language')
const parameter = fc.constantFrom('q', 'Q', 'a b', 'é', 'q[]')
const table = (name: fc.Arbitrary<string>): fc.Arbitrary<Record<string, StringMatch>> =>
  fc.dictionary(name, stringMatch(word), { minKeys: 1, maxKeys: 2 })

/** Mostly one or two conditions, so that a fair share of requests meets them. */
const match: fc.Arbitrary<HttpMatch> = fc
  .uniqueArray(
    fc.constantFrom(
      'uri',
      'uri',
      'headers',
      'headers',
      'withoutHeaders',
      'queryParams',
      'queryParams',
      'method',
      'scheme',
      'authority',
      'port',
      'ignoreUriCase',
    ),
    { minLength: 1, maxLength: 3 },
  )
  .chain((fields): fc.Arbitrary<HttpMatch> => {
    const all = {
      uri,
      headers: table(headerName),
      withoutHeaders: table(headerName),
      queryParams: table(parameter),
      method: fc.oneof(
        fc.constantFrom('GET', 'POST', 'HEAD', 'get').map((exact) => ({ exact })),
        fc.constantFrom({ prefix: 'P' }, { regex: 'GET|PUT' }, { regex: '(?i)get' }),
      ),
      scheme: fc.constantFrom<StringMatch>(
        { exact: 'http' },
        { exact: 'https' },
        { prefix: 'http' },
        { regex: 'https?' },
        { exact: 'HTTP' },
      ),
      authority: fc.constantFrom<StringMatch>(
        { prefix: 'rules' },
        { prefix: 'RULES' },
        { regex: '.*\\.test' },
        { regex: '.*:8080' },
        { regex: '.*\\.' },
        { exact: 'rules.test' },
        { exact: 'rules.test:80' },
      ),
      port: fc.constantFrom(80, 443, 8080),
      ignoreUriCase: fc.boolean(),
    }
    return fc.record<HttpMatch>(Object.fromEntries(fields.map((field): [string, fc.Arbitrary<unknown>] => [field, all[field]])))
  })

/** The host of the rules; `authority` may name it. */
export const rulesHost = 'rules.test'

/** A VirtualService as copilot takes it: each rule of it answers with its number. */
export const someRules: fc.Arbitrary<HttpRoute[]> = fc
  .array(fc.array(match, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 6 })
  .map((rules) =>
    rules.map((match, position): HttpRoute => ({
      match,
      directResponse: { status: 200 },
      headers: { response: { set: { [ruleHeader]: String(position) } } },
    })),
  )
  .filter(
    (http) =>
      checkDocument({ ...typed('VirtualService'), metadata: { name: 'rules' }, spec: { hosts: [rulesHost], http } }, 'space').resource !==
      undefined,
  )

const value = fc.oneof(
  word,
  word.map((text) => Buffer.from(text).toString('latin1')),
)
const query = fc
  .array(
    fc.tuple(
      fc.constantFrom('q', 'q', 'Q', 'a+b', 'a%20b', '%71', '%C3%A9', 'q[]', ''),
      fc.constantFrom('', '=', '=a', '=b', '=ab', '=%61', '=a+b', '=a%20b', '=1', '=a=b', '=%', '=%C3%A9', '=.'),
    ),
    { maxLength: 3 },
  )
  .chain((pairs) => fc.constantFrom('&', '&', '&', ';', '&&').map((between) => pairs.map((pair) => pair.join('')).join(between)))
  .chain((text) => fc.constantFrom('', '?', '?').map((mark) => (mark ? `?${text}` : '')))

export const someRequest: fc.Arbitrary<SomeRequest> = fc.record({
  tls: fc.boolean(),
  method: fc.constantFrom('GET', 'GET', 'GET', 'POST', 'HEAD', 'PUT', 'DELETE'),
  end: fc.constantFrom('', '', '', '.', ':80', ':8080', ':443'),
  upper: fc.constantFrom(false, false, true),
  target: fc.tuple(fc.oneof(path, plainPath), query).map((parts) => parts.join('')),
  headers: fc.dictionary(headerName, fc.oneof({ weight: 4, arbitrary: value }, { weight: 1, arbitrary: fc.tuple(value, value) }), {
    maxKeys: 3,
  }),
})
