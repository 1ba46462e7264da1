import { examples, type Register } from '../cli.ts'
import { specs, type Field } from '../../mesh/istio/fields.ts'
import { kindInfo, kindNamed, resourceKinds } from '../../mesh/istio/kinds.ts'
import { nearest } from '../../mesh/istio/nearest.ts'
import { supportOf } from '../../mesh/istio/support.ts'
import { Usage } from '../problems.ts'

/** `explain PATH`. */
export const explain: Register = (program, cli) => {
  const command = program
    .command('explain')
    .argument('<path>', 'a kind and the path of a field, as virtualservice.spec.http.retries')
    .summary('what a field means and whether it is supported')
    .action((path: string) => cli.out.write(explained(path)))
  examples(command, [
    ['explain virtualservice.spec.http.retries', 'its fields'],
    ['explain dr.trafficPolicy.outlierDetection', 'in short'],
  ])
}

const outside = ['apiVersion', 'kind', 'metadata', 'status']

/** What there is to say of the field at a path, as `vs.spec.http.retries`. Throws `MESHCTL_USAGE`. */
export function explained(path: string): string {
  const [first = '', ...names] = path
    .replaceAll(/\[\d*\]/g, '')
    .replace(/\.+$/, '')
    .split('.')
  const kind = kindNamed(first)
  if (!kind) throw Usage(`${first} is no kind; there are ${resourceKinds.map((known) => kindInfo[known].short).join(', ')}`)
  if (names[0] === 'spec') names.shift()
  else if (outside.includes(names[0] ?? ''))
    throw Usage(`${path}: what stands beneath spec is explained; metadata has name, namespace, labels and annotations`)
  let field: Field = specs[kind]
  let pattern = ''
  for (const name of names) {
    const known = field.fields ?? {}
    const inner = Object.hasOwn(known, name) ? known[name] : undefined
    if (!inner) {
      const meant = nearest(name, Object.keys(known))
      throw Usage(`${path}: there is no field ${name}${meant ? `; did you mean ${meant}?` : ''}`)
    }
    pattern = pattern ? `${pattern}.${name}` : name
    field = inner
    if (inner.of?.fields) {
      field = { ...inner.of, ...(inner.description && { description: inner.description }), type: `${inner.type} of objects` }
      pattern += inner.type === 'list' ? '[]' : '{}'
    }
  }
  const support = supportOf(kind, pattern)
  const lines = [
    `${[kind, 'spec', ...names].join('.')}: ${field.values?.join(' | ') ?? (field.of ? `${field.type} of ${field.of.type}s` : field.type)}`,
    field.description ?? '',
    support?.refused
      ? `Not supported: ${support.refused}`
      : support?.ignored
        ? `Has no effect: ${support.ignored}`
        : support
          ? `Supported by ${support.engines.join(', ')}${support.but ? `; ${support.but}` : ''}`
          : '',
    ...Object.entries(field.fields ?? {}).map(
      ([name, { type, required, description = '' }]) => `  ${name} <${type}>${required ? ' (required)' : ''}  ${description}`,
    ),
  ]
  return lines.filter(Boolean).join('\n')
}
