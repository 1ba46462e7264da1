/**
 * The host that an authority (`Host`, `:authority`) names: in lower case, without port and without one trailing dot.
 * `A.Example.:8080` is `a.example`, `[::1]:80` is `[::1]`. What is no host at all comes back as it is and matches no route.
 */
export function normalizeHost(authority: string): string {
  return authority
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replace(/:\d*$/, '')
    .replace(/\.$/, '')
}
