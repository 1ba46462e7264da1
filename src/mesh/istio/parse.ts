import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit, type Document, type Node } from 'yaml'
import { codes, type Finding } from './finding.ts'

/** One document of a file, or one item of a list in it. */
export interface ParsedDocument {
  /** Its value, where the YAML is right. */
  value?: unknown
  /** The line at which it begins, from 1. */
  line: number
  findings: Finding[]
  /** The line of a field, or of the nearest one around it that is there. */
  lineOf: (path: string) => number
}

/** What is wrong with the YAML of one document that is told at most: the first error mostly brings the others. */
const mostErrors = 10
/** How far aliases may swell a document, as the library counts it: a few of them make one of any size. */
const maxAliasCount = 100

/**
 * The documents of a YAML or JSON text, without those that are empty; of a `List`, and of a list, its items. Duplicate keys, bad
 * indentation and the like are findings.
 */
export function parseDocuments(text: string): ParsedDocument[] {
  const lineCounter = new LineCounter()
  const documents = parseAllDocuments(text, {
    lineCounter,
    prettyErrors: false,
    uniqueKeys: true,
    version: '1.1',
    merge: true,
    schema: 'core',
  })
  if (!Array.isArray(documents)) return []
  return documents
    .filter(
      (document) =>
        (document.contents !== null && !(isScalar(document.contents) && document.contents.value === null)) || document.errors.length,
    )
    .flatMap((document) => itemsOf(read(document, lineCounter)))
}

function read(document: Document.Parsed, lineCounter: LineCounter): ParsedDocument {
  const lineAt = (offset: number | undefined): number => lineCounter.linePos(offset ?? 0).line
  const line = lineAt(document.contents?.range[0] ?? document.range[0])
  const findings: Finding[] = []
  const error = (at: number, message: string): unknown =>
    findings.push({ severity: 'error', code: codes.yaml, path: '', message, line: at })
  for (const { message, pos } of document.errors.slice(0, mostErrors)) error(lineAt(pos[0]), message)
  if (document.errors.length > mostErrors)
    error(line, `and ${document.errors.length - mostErrors} more errors in the YAML of this document`)
  visit(document, {
    Scalar: (_key, { value, source, range }) => {
      if (typeof value === 'number' && !Number.isFinite(value)) error(lineAt(range?.[0]), `${source} is no number that can be used here`)
    },
    Alias: (_key, node) => {
      if (!node.resolve(document)) error(lineAt(node.range?.[0]), `there is no anchor &${node.source} before *${node.source}`)
    },
  })
  const lineOf = (path: string): number => lineAt(nodeAt(document, path)?.range?.[0])
  const wrong = { line, findings, lineOf }
  if (findings.length) return wrong
  try {
    return { ...wrong, value: withoutNulls(document.toJS({ maxAliasCount })) }
  } catch (thrown) {
    error(
      line,
      thrown instanceof ReferenceError
        ? 'its aliases (*NAME) make too much of it; write the values themselves'
        : thrown instanceof RangeError
          ? 'it is nested too deep, or an alias (*NAME) stands within what it names'
          : (thrown as Error).message,
    )
    return wrong
  }
}

/** What `kubectl get -o yaml` makes of several resources, and `meshctl get -o json`, is as many documents. */
function itemsOf(document: ParsedDocument): ParsedDocument[] {
  const { value, lineOf } = document
  const [items, path] = Array.isArray(value) ? [value as unknown[], ''] : isList(value) ? [value.items, 'items'] : []
  if (!items) return [document]
  return items.map((item, position) => ({
    value: item,
    findings: [],
    line: lineOf(`${path}[${position}]`),
    lineOf: (inner) => lineOf(`${path}[${position}]${inner && `.${inner}`}`),
  }))
}

const isList = (value: unknown): value is { items: unknown[] } =>
  typeof value === 'object' &&
  value !== null &&
  (value as { kind?: unknown }).kind === 'List' &&
  Array.isArray((value as { items?: unknown }).items)

function nodeAt(document: Document.Parsed, path: string): Node | null {
  let node: Node | null = document.contents
  for (const [, name, index, quoted] of path.matchAll(/([\w-]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g)) {
    let inner: unknown
    if (isMap(node))
      inner = node.items.find(({ key }) => isScalar(key) && String(key.value) === (name ?? (quoted && JSON.parse(quoted))))?.value
    else if (isSeq(node)) inner = node.items[Number(index)]
    if (isAlias(inner)) inner = inner.resolve(document)
    if (!inner) break
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
