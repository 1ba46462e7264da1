import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit, type Document, type Node } from 'yaml'
import { codes, type Finding } from './finding.ts'

/** One document of a file. */
export interface ParsedDocument {
  /** Its value, where the YAML is right. */
  value?: unknown
  /** The line at which it begins, from 1. */
  line: number
  findings: Finding[]
  /** The line of a field, or of the nearest one around it that is there. */
  lineOf: (path: string) => number
}

/**
 * The documents of a YAML or JSON text, without those that are empty. Duplicate keys, bad indentation and the like are findings. Aliases are
 * refused, since a few of them make a document of any size.
 */
export function parseDocuments(text: string): ParsedDocument[] {
  const lineCounter = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false, uniqueKeys: true, version: '1.1', merge: false, schema: 'core' })
  if (!Array.isArray(documents)) return []
  return documents.filter((document) => document.contents !== null && !(isScalar(document.contents) && document.contents.value === null) || document.errors.length).map((document) => read(document, lineCounter))
}

function read(document: Document.Parsed, lineCounter: LineCounter): ParsedDocument {
  const lineAt = (offset: number | undefined): number => lineCounter.linePos(offset ?? 0).line
  const line = lineAt(document.contents?.range[0] ?? document.range[0])
  const findings: Finding[] = document.errors.map(({ message, pos }) => ({ severity: 'error', code: codes.yaml, path: '', message: `line ${lineAt(pos[0])}: ${message}` }))
  visit(document, {
    Alias: (_key, node) => {
      findings.push({ severity: 'error', code: codes.yaml, path: '', message: `line ${lineAt(node.range?.[0])}: aliases are not accepted; write the value itself` })
    },
  })
  const lineOf = (path: string): number => lineAt(nodeAt(document.contents, path)?.range?.[0])
  return { line, findings, lineOf, ...(!findings.length && { value: withoutNulls(document.toJS()) }) }
}

function nodeAt(root: Node | null, path: string): Node | null {
  let node = root
  for (const [, name, index, quoted] of path.matchAll(/([\w-]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g)) {
    let inner: unknown
    if (isMap(node)) inner = node.items.find(({ key }) => isScalar(key) && String(key.value) === (name ?? (quoted && JSON.parse(quoted))))?.value
    else if (isSeq(node)) inner = node.items[Number(index)]
    if (!inner || isAlias(inner)) break
    node = inner as Node
  }
  return node
}

/** Fields without value are absent ones; in a list a null stays, to be refused. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([name, inner]) => [name, withoutNulls(inner)]),
  )
}
