/** Header fields in the order in which they came: lower-case name, value, name, value, … as one flat list. */
export class Headers {
  list: string[]

  constructor(list: string[] = []) {
    this.list = list
  }

  copy(): Headers {
    return new Headers(this.list.slice())
  }

  /** The first value of `name`. */
  get(name: string): string | undefined {
    const { list } = this
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1]
    return undefined
  }

  /** All values of `name`, joined as RFC 9110 §5.2 allows. */
  getAll(name: string): string | undefined {
    const { list } = this
    let all: string | undefined
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) all = all === undefined ? list[i + 1] : `${all},${list[i + 1]}`
    return all
  }

  /** The values of `name`, in their order. */
  all(name: string): string[] {
    const { list } = this
    const values: string[] = []
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) values.push(list[i + 1]!)
    return values
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  add(name: string, value: string): void {
    this.list.push(name, value)
  }

  /** Replaces every value of `name` with one. */
  set(name: string, value: string): void {
    const { list } = this
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] !== name) continue
      list[i + 1] = value
      this.#compact(i + 2, (other) => other === name)
      return
    }
    list.push(name, value)
  }

  remove(name: string): void {
    this.#compact(0, (other) => other === name)
  }

  removeWhere(unwanted: (name: string) => boolean): void {
    this.#compact(0, unwanted)
  }

  #compact(from: number, unwanted: (name: string) => boolean): void {
    const { list } = this
    let kept = from
    for (let i = from; i < list.length; i += 2) {
      if (unwanted(list[i]!)) continue
      if (kept !== i) {
        list[kept] = list[i]!
        list[kept + 1] = list[i + 1]!
      }
      kept += 2
    }
    if (kept !== list.length) list.length = kept
  }
}

/** Fields that belong to one connection and are never passed on (RFC 9110 §7.6.1). `te` and `trailer` are dealt with where they matter. */
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings', 'te'])

/** True for a field that is never passed from one connection to the next. */
export function isHopByHop(name: string): boolean {
  return hopByHop.has(name)
}

/** Removes the fields that the values of `Connection` name; a few that carry meaning for the request itself cannot be nominated. */
export function removeNominated(headers: Headers, connection: string): void {
  for (const token of connection.toLowerCase().split(',')) {
    const name = token.trim()
    if (name === '' || name === 'keep-alive' || name === 'close' || name === 'upgrade' || name === 'te') continue
    if (name === 'host' || name === 'content-length' || name === 'authorization' || name.startsWith('x-forwarded-')) continue
    headers.remove(name)
  }
}
