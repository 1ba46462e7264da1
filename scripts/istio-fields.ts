// Writes src/mesh/istio/fields.json: the fields of Istio's resources with their types and descriptions, read from the declarations of
// @kubernetes-models/istio, whose validators know nothing of descriptions and let unknown fields pass. Run it again after an update.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Field } from '../src/mesh/istio/fields.ts'

const root = resolve(import.meta.dirname, '..')
const kinds = ['Gateway', 'VirtualService', 'DestinationRule', 'ServiceEntry']

/** A reader of the few forms of TypeScript that the declarations are made of. */
class Declaration {
  readonly #tokens: string[]
  #at = 0

  constructor(text: string) {
    this.#tokens = text.match(/\/\*\*[^]*?\*\/|"[^"]*"|\w+|[^\s\w]/g) ?? []
  }

  /** The type of the interface's field `spec`. */
  spec(): Field {
    this.#at = this.#tokens.indexOf(':', this.#tokens.indexOf('"spec"')) + 1
    return this.#type()
  }

  #type(): Field {
    const field = this.#simple()
    const values = field.values ? [...field.values] : []
    for (; this.#tokens[this.#at] === '|';) {
      this.#at++
      const other = this.#simple()
      if (other.values) values.push(...other.values)
      else field.type = `${field.type} or ${other.type}`
    }
    // Which of several fields are given is in the validators.
    for (; this.#tokens[this.#at] === '&';) {
      this.#at++
      this.#skip()
    }
    return values.length ? { ...field, values: values.sort() } : field
  }

  #simple(): Field {
    const token = this.#tokens[this.#at++]
    if (token === '{') return this.#object()
    if (token.startsWith('"')) return { type: 'string', values: [token.slice(1, -1)] }
    if (token !== 'Array') return { type: token }
    this.#at++
    const of = this.#type()
    this.#at++
    return { type: 'list', of }
  }

  #object(): Field {
    const fields: Record<string, Field> = {}
    let description = ''
    for (;;) {
      const token = this.#tokens[this.#at++]
      if (token === '}') return { type: 'object', fields }
      if (token === ';') continue
      if (token.startsWith('/**')) {
        description = token
          .replace(/^\/\*\*|\s*\*\/$|^\s*\* ?/gm, '')
          .trim()
          .replace(/\s+/g, ' ')
      } else if (token === '[') {
        this.#at = this.#tokens.indexOf(':', this.#tokens.indexOf(']', this.#at)) + 1
        const of = this.#type()
        this.#at = this.#tokens.indexOf('}', this.#at) + 1
        return { type: 'map', of }
      } else {
        const required = this.#tokens[this.#at] !== '?'
        this.#at += required ? 1 : 2
        fields[token.slice(1, -1)] = { ...(description && { description }), ...(required && { required }), ...this.#type() }
        description = ''
      }
    }
  }

  /** Passes over one group of parentheses. */
  #skip(): void {
    let depth = 0
    do {
      const token = this.#tokens[this.#at++]
      if (token === undefined) throw new Error('the declaration ends within parentheses')
      if (token === '(') depth++
      if (token === ')') depth--
    } while (depth)
  }
}

const folder = join(root, 'node_modules/@kubernetes-models/istio/networking.istio.io/v1')
const fields = Object.fromEntries(kinds.map((kind) => [kind, new Declaration(readFileSync(join(folder, `${kind}.d.ts`), 'utf8')).spec()]))
writeFileSync(join(root, 'src/mesh/istio/fields.json'), `${JSON.stringify(fields, null, 1)}\n`)
