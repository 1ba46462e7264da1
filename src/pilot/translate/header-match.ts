import type { HeaderMatcherInit } from './feature.ts'

const text = (
  name: string,
  matchPattern: { case: 'exact' | 'contains'; value: string } | { case: 'safeRegex'; value: { regex: string } },
): HeaderMatcherInit => ({
  name,
  headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern } },
})

export const equals = (name: string, value: string): HeaderMatcherInit => text(name, { case: 'exact', value })
/** The whole value fits. */
export const fits = (name: string, regex: string): HeaderMatcherInit => text(name, { case: 'safeRegex', value: { regex } })
export const present = (name: string): HeaderMatcherInit => ({ name, headerMatchSpecifier: { case: 'presentMatch', value: true } })
export const absent = (name: string): HeaderMatcherInit => ({ name, headerMatchSpecifier: { case: 'presentMatch', value: false } })
/** Absent, or without `part` in it. */
export const without = (name: string, part: string): HeaderMatcherInit => ({
  ...text(name, { case: 'contains', value: part }),
  invertMatch: true,
  treatMissingHeaderAsEmpty: true,
})
