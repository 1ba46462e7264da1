import type { RouteSource } from '../resources/manager.ts'
import type { Scope } from '../resources/scope.ts'
import type { Exchange } from '../exchange.ts'
import type { RouteTable } from './table.ts'

/** The route configurations, and the scopes that lead to them. */
export class Routes {
  readonly #tables = new Map<string, RouteTable>()
  /** Names of scopes, and by the key of each the name of its configuration. */
  readonly #scopes = new Map<string, Scope>()
  readonly #byKey = new Map<string, string>()

  set(name: string, table: RouteTable): void {
    this.#tables.set(name, table)
  }

  delete(name: string): void {
    this.#tables.delete(name)
  }

  setScope(name: string, scope: Scope): void {
    this.deleteScope(name)
    this.#scopes.set(name, scope)
    this.#byKey.set(scope.key, scope.routes)
  }

  deleteScope(name: string): void {
    const scope = this.#scopes.get(name)
    if (scope) this.#byKey.delete(scope.key)
    this.#scopes.delete(name)
  }

  /** Whether there is anything where a listener looks: its configuration, or a scope. */
  has(source: RouteSource): boolean {
    return 'name' in source ? this.#tables.has(source.name) : this.#scopes.size > 0
  }

  /** The configuration for a request. */
  of(source: RouteSource, { headers }: Exchange): RouteTable | undefined {
    return this.#tables.get('name' in source ? source.name : (this.#byKey.get(headers.get(source.header) ?? '') ?? ''))
  }
}
