import type { TSchema } from 'typebox'
import { CopilotConfig } from '../../src/copilot/config.ts'
import { FoundationConfig } from '../../src/foundation/config.ts'
import { RouterConfig } from '../../src/istio-router/config.ts'
import { PilotConfig } from '../../src/pilot/config.ts'
import { RouteSyncerConfig } from '../../src/route-syncer/config.ts'

const programs = {
  'route-syncer': RouteSyncerConfig,
  copilot: CopilotConfig,
  pilot: PilotConfig,
  'istio-router': RouterConfig,
  foundation: FoundationConfig,
} satisfies Record<string, TSchema>

interface Node {
  type?: string | string[]
  description?: string
  default?: unknown
  properties?: Record<string, Node>
  required?: string[]
  items?: Node
  enum?: string[]
  const?: string | number | boolean
  anyOf?: Node[]
  minimum?: number
  maximum?: number
}

/** The configuration reference as Markdown, a table a program, from the very schemas that check the files. */
export function configurationDocs(): string {
  const chapters = Object.entries(programs).map(([name, schema]) => {
    const rows = fields(schema as Node, '').map(
      ({ path, node, required }) =>
        `| \`${path}\` | ${typeOf(node)} | ${required ? 'required' : defaultOf(node)} | ${node.description ?? ''} |`,
    )
    return [`## ${name}`, '', '| field | type | default | what it is |', '|---|---|---|---|', ...rows, ''].join('\n')
  })
  return `# Configuration

Each program reads one YAML file, \`PROGRAM --config FILE\`, and checks it before anything else; \`--check\` only checks. This page is
generated from the schemas that do so (\`npm run docs\`).

${chapters.join('\n')}`
}

interface Field {
  path: string
  node: Node
  required: boolean
}

function fields(node: Node, prefix: string): Field[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const path = prefix ? `${prefix}.${name}` : name
    const below = child.properties ? fields(child, path) : child.items?.properties ? fields(child.items, `${path}[]`) : []
    const required = (node.required ?? []).includes(name) && child.default === undefined
    return below.length && !child.description ? below : [{ path, node: child, required }, ...below]
  })
}

function typeOf(node: Node): string {
  if (node.enum) return node.enum.map((value) => `\`${value}\``).join(', ')
  if (node.const !== undefined) return `\`${node.const}\``
  if (node.anyOf) return node.anyOf.map(typeOf).join(' or ')
  if (node.type === 'array') return `list of ${typeOf(node.items ?? {})}`
  const range = node.minimum !== undefined || node.maximum !== undefined ? ` (${node.minimum ?? ''}…${node.maximum ?? ''})` : ''
  return `${String(node.type ?? 'any')}${range}`
}

function defaultOf({ default: value }: Node): string {
  if (value === undefined) return ''
  return typeof value === 'object' && Object.keys(value ?? {}).length === 0 && !Array.isArray(value) ? '' : `\`${JSON.stringify(value)}\``
}
