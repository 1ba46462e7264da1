const units: Record<string, number> = { B: 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 }

/** Bytes of a quantity such as `64M` or `1.5GB`; a sentence where it is none. */
export function bytes(text: string): number | string {
  const [, amount, unit = ''] = /^\s*(-?\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(text) ?? []
  if (amount === undefined) return 'is not a number'
  const factor = units[unit.toUpperCase().replace(/^([KMGT])I?B$/, '$1')]
  if (!unit || factor === undefined) return 'must use a supported unit: B, K, KB, M, MB, G, GB, T, or TB'
  return Math.floor(Number(amount) * factor)
}

/** Whole megabytes of a quantity; a sentence where it is none. */
export function megabytes(text: string): number | string {
  const amount = bytes(text)
  return typeof amount === 'number' ? Math.floor(amount / 1024 ** 2) : amount
}

export function isByteFault(value: number | string): value is string {
  return typeof value === 'string'
}

/** The shortest exact way to write a number of bytes. */
export function quantity(amount: number): string {
  const unit = ['T', 'G', 'M', 'K'].find((name) => amount !== 0 && Number.isInteger(amount / units[name]!)) ?? 'B'
  return `${amount / units[unit]!}${unit}`
}
