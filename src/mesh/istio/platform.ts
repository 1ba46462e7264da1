import type { App, Route } from '../records.ts'
import type { ServiceEntry } from './types.ts'

/**
 * What of the platform and of other resources the meaning of a resource depends on. Copilot answers from its store, pilot from its model.
 */
export interface Platform {
  /** Routes of that very host (a wildcard as `*.DOMAIN`), public and internal ones. */
  routesOfHost(host: string): Iterable<Route>
  /** Routes whose host lies beneath the wildcard `*.DOMAIN`, itself included. */
  routesBeneath(wildcard: string): Iterable<Route>
  /** Routes that send to the app. */
  routesOfApp(guid: string): Iterable<Route>
  app(guid: string): App | undefined
  /** Apps of a space whose label `app`, or whose name, is `name`; it comes in lower case, and theirs are read so. */
  appsCalled(space: string, name: string): Iterable<[guid: string, app: App]>
  /** Name of a space and of its organization; undefined for one that does not exist. */
  space(guid: string): { name: string; organization: string } | undefined
  /** Guids of the spaces with that name, in the organization of that name where one is given; both come in lower case. */
  spacesNamed(name: string, organization?: string): string[]
  /** ServiceEntries that have the host, as it is written. */
  serviceEntries(host: string): Iterable<ServiceEntry>
}
