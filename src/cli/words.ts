import type { Held, Named, Owned } from './types.ts'

export const nameOf = (named: Named | undefined): string => named?.name ?? named?.guid ?? '-'

/** `organization/space`. */
export const ownerOf = ({ organization, space }: Owned): string =>
  organization ? `${nameOf(organization)}/${nameOf(space)}` : nameOf(space)

/** A length of time as people say it: `4s`, `3m`, `5h`, `2d`. */
export function span(seconds: number): string {
  const [size, unit] = (
    [
      [86_400, 'd'],
      [3600, 'h'],
      [60, 'm'],
    ] as const
  ).find(([size]) => seconds >= size) ?? [1, 's']
  return `${Math.floor(Math.max(0, seconds) / size)}${unit}`
}

/** How long ago an ISO moment was. */
export const since = (moment: string | undefined): string => (moment ? span((Date.now() - Date.parse(moment)) / 1000) : '-')

export const labelsOf = (labels: Record<string, string>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',')

export const count = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? '' : 's'}`

/** What a held sync would remove. */
export function removals({ removes: { routes, instances, apps } }: Held): string {
  const parts = [count(routes, 'route'), count(instances, 'instance'), ...(apps ? [count(apps, 'app')] : [])]
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

export const percent = (share: number): string => `${Math.round(share * 1000) / 10}%`
