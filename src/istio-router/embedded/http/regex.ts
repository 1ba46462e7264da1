import { RE2JS } from 're2js'
import { wireText } from '../../../mesh/wire.ts'
import { Unsupported } from '../resources/support.ts'

/** A regular expression in RE2's syntax. */
export interface Regex {
  /** Whether it matches the whole text. */
  matches: (text: string) => boolean
  /** The text with every match replaced; `$1` stands for what the first group has matched. */
  replace: (text: string, replacement: string) => string
}

/** What JavaScript reads as RE2 does, and takes time linear in the text for: at most one repetition, none of a group, and two choices. */
const isSimple = (regex: string): boolean => regex.split('?').length <= 3 && !regex.includes('[:') && plain.test(regex)
const plain = /^(?:[^\\+*{()]|\\[./?+*-]|\(\?:|\((?!\?)|\)(?![*+{]))*(?:[+*](?:[^\\+*{(]|\\[./?+*-])*)?$/

/**
 * Compiles a regular expression. RE2 takes linear time whatever is written, where JavaScript's own can take minutes; that one is for those
 * with which it cannot, as a hundred times as fast. Throws `Unsupported`.
 */
export function compileRegex(regex: string, path: string): Regex {
  try {
    const bytes = wireText(regex)
    return isSimple(bytes) ? native(bytes) : linear(bytes)
  } catch {
    throw new Unsupported(path, `${regex} is not a regular expression that the embedded engine knows`)
  }
}

function native(regex: string): Regex {
  const whole = new RegExp(`^(?:${regex})$`, 's')
  const anywhere = new RegExp(regex, 'gs')
  return { matches: (text) => whole.test(text), replace: (text, replacement) => text.replace(anywhere, replacement) }
}

function linear(regex: string): Regex {
  const compiled = RE2JS.compile(regex, RE2JS.DOTALL)
  return { matches: (text) => compiled.matches(text), replace: (text, replacement) => compiled.matcher(text).replaceAll(replacement) }
}
