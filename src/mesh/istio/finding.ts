/** What is wrong with, or worth knowing of, one field of a resource. */
export interface Finding {
  severity: 'error' | 'warning'
  /** Stable, as `MESH_FIELD_UNKNOWN`. */
  code: string
  /** `spec.http[0].timeout`; empty for the document as a whole. */
  path: string
  /** What is wrong and what to write instead, without the path. */
  message: string
  /** The line of the file, where it is of no field: what is no YAML. */
  line?: number
}

/** The codes of findings. Those that are about one space's rights are answered 403, all others 422. */
export const codes = {
  yaml: 'MESH_YAML_INVALID',
  kind: 'MESH_KIND_UNKNOWN',
  kindRefused: 'MESH_KIND_REFUSED',
  unknown: 'MESH_FIELD_UNKNOWN',
  type: 'MESH_FIELD_TYPE',
  invalid: 'MESH_FIELD_INVALID',
  refused: 'MESH_FIELD_REFUSED',
  tooLarge: 'MESH_FIELD_TOO_LARGE',
  operatorOnly: 'MESH_OPERATOR_ONLY',
  notOwned: 'MESH_HOST_NOT_OWNED',
  hostUnknown: 'MESH_HOST_UNKNOWN',
  addressDenied: 'MESH_ADDRESS_DENIED',
  // Warnings.
  ignored: 'MESH_FIELD_IGNORED',
  deprecated: 'MESH_FIELD_DEPRECATED',
  spelling: 'MESH_SPELLING',
  advice: 'MESH_ADVICE',
  unreachable: 'MESH_RULE_UNREACHABLE',
  shadowed: 'MESH_MATCH_SHADOWED',
  gatewayUnknown: 'MESH_GATEWAY_UNKNOWN',
  serviceUnknown: 'MESH_SERVICE_UNKNOWN',
  subsetUnknown: 'MESH_SUBSET_UNKNOWN',
  subsetEmpty: 'MESH_SUBSET_EMPTY',
  secretUnknown: 'MESH_SECRET_UNKNOWN',
  merged: 'MESH_HOST_MERGED',
  callersUnknown: 'MESH_CALLERS_UNKNOWN',
} as const
export type Code = (typeof codes)[keyof typeof codes]

/** Gathers the findings of one document. */
export class Findings {
  readonly list: Finding[] = []
  /** Steps of the regular expressions that were checked. */
  steps = 0

  error(path: string, message: string, code: Code = codes.invalid): void {
    this.list.push({ severity: 'error', code, path, message })
  }

  warn(path: string, message: string, code: Code = codes.advice): void {
    this.list.push({ severity: 'warning', code, path, message })
  }

  /** An error where `fault` says what is wrong. */
  fault(path: string, fault: string | undefined): void {
    if (fault !== undefined) this.error(path, fault)
  }

  get failed(): boolean {
    return this.list.some(({ severity }) => severity === 'error')
  }

  /** Whether an error was found in that field, or within it. */
  failedAt(path: string): boolean {
    return this.list.some((finding) => finding.severity === 'error' && isWithin(finding.path, path))
  }
}

/** Whether a path is another one, or leads into it. */
export const isWithin = (path: string, outer: string): boolean =>
  path === outer || path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`)

/** The path of a field within another. */
export function within(path: string, name: string | number): string {
  if (typeof name === 'number') return `${path}[${name}]`
  if (!/^[\w-]+$/.test(name)) return `${path}[${JSON.stringify(name)}]`
  return path ? `${path}.${name}` : name
}

const mostListed = 5

/** Names in a sentence: the first of them, and how many others there are. */
export const listed = (names: string[]): string =>
  [...names.slice(0, mostListed), ...(names.length > mostListed ? [`${names.length - mostListed} others`] : [])].join(', ')

/** A finding as a sentence. */
export const sentence = ({ path, message }: Finding): string => (path ? `${path}: ${message}` : message)
