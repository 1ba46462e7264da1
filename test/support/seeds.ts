import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parse } from 'yaml'

const file = resolve(import.meta.dirname, '../../../shared/seeds/004_1e91520d08919d94.txt')

/** Why seed 004's resources cannot be read, for `skip`. */
export const seedAbsent = existsSync(file) ? undefined : '../shared is not here'

/**
 * The resources that seed 004 prints, in its order, with what `replaced` names replaced by what it says: hosts, labels and folders.
 * `commented` has those settings too that are printed as comments.
 */
export function printed(replaced: Record<string, string>, { commented = false } = {}): object[] {
  const blocks = [...readFileSync(file, 'utf8').matchAll(/```\n(apiVersion[^]*?)```/g)].map(([, yaml]) => yaml!)
  return blocks.map((block) => {
    const text = commented ? block.replaceAll(/^( +)# /gm, '$1').replaceAll(/^#/gm, '') : block
    return parse(Object.entries(replaced).reduce((yaml, [one, other]) => yaml.replaceAll(one, other), text)) as object
  })
}
