/** Nobody misspells a name as long as this. */
const longest = 100

/** Of `names` the one that was probably meant by `name`, if one is near enough. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  if (name.length > longest) return undefined
  const bare = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  let best: string | undefined
  let least = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of names) {
    const away = bare(candidate) === bare(name) ? 0 : distance(bare(name), bare(candidate))
    if (away < least) [best, least] = [candidate, away]
  }
  return best
}

/** Levenshtein's: how many letters must be put in, taken out or changed. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let line = 1; line <= a.length; line++) {
    const next = [line]
    for (let column = 1; column <= b.length; column++) {
      next.push(Math.min(row[column]! + 1, next[column - 1]! + 1, row[column - 1]! + Number(a[line - 1] !== b[column - 1])))
    }
    row = next
  }
  return row[b.length]!
}
