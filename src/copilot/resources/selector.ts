import { SelectorInvalid } from '../problems.ts'

/** Whether labels are those that a selector wants. */
export type Selector = (labels: Record<string, string>) => boolean

const name = '[A-Za-z0-9][-A-Za-z0-9_./]*'
const term = new RegExp(`^(?:(!)\\s*(${name})|(${name})(?:\\s*(==|=|!=)\\s*([-A-Za-z0-9_.]*)|\\s+(in|notin)\\s*\\(([^()]*)\\))?)$`)

/**
 * Reads a label selector as Kubernetes writes it: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas. Throws
 * `MESH_SELECTOR_INVALID`.
 */
export function parseSelector(text = ''): Selector {
  const terms = text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter(Boolean)
    .map(parseTerm)
  return (labels) => terms.every((holds) => holds(labels))
}

function parseTerm(text: string): Selector {
  const [whole, not, absent, label = '', operator, value, among, list = ''] = term.exec(text) ?? []
  if (whole === undefined) throw SelectorInvalid(text)
  if (not) return (labels) => labels[absent!] === undefined
  if (operator) return (labels) => (labels[label] === value) === (operator !== '!=')
  if (!among) return (labels) => labels[label] !== undefined
  const values = list.split(',').map((one) => one.trim())
  return (labels) => (labels[label] !== undefined && values.includes(labels[label])) === (among === 'in')
}
