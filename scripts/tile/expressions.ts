/**
 * An expression of a manifest snippet: `(( reference || otherwise ))`, which Ops Manager evaluates, or `((( variable )))`, which BOSH does.
 */
export type Expression = { kind: 'property'; reference: string; otherwise?: string } | { kind: 'variable'; name: string }

const pattern = /\(\(\(\s*(\S+?)\s*\)\)\)|\(\(\s*(.+?)\s*\)\)(?!\))/g

/** What `text` is: expressions, and the text between them. Throws where parentheses do not close. */
export function readExpressions(text: string): (string | Expression)[] {
  const parts: (string | Expression)[] = []
  let at = 0
  for (const found of text.matchAll(pattern)) {
    parts.push(text.slice(at, found.index), read(found))
    at = found.index + found[0].length
  }
  parts.push(text.slice(at))
  const open = parts.find((part) => typeof part === 'string' && part.includes('(('))
  if (typeof open === 'string') throw new Error(`an expression is not closed: ${open.slice(open.indexOf('((')).split('\n')[0]}`)
  return parts.filter((part) => part !== '')
}

function read([, variable, property = '']: RegExpExecArray): Expression {
  if (variable) return { kind: 'variable', name: variable }
  const [reference = '', otherwise] = property.split(/\s*\|\|\s*/)
  return { kind: 'property', reference, ...(otherwise !== undefined && { otherwise }) }
}
