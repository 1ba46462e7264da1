/** Whether `hits` of `n` fits a true share of `p`: within 4.9 standard deviations, which chance misses once in a million. */
export function within(hits: number, n: number, p: number): boolean {
  return Math.abs(hits - n * p) <= 4.9 * Math.sqrt(n * p * (1 - p)) + 1
}
