import { randomUUID } from 'node:crypto'
import { createApp, stackName } from './cc/apps.ts'
import { defaultPort } from './cc/destinations.ts'
import type { Destination } from './store/rows.ts'
import type { Store } from './store/store.ts'

export interface BulkOptions {
  /** Number of routes. */
  routes: number
  /** Guid of their space. */
  space: string
  /** Guid of their domain. */
  domain: string
  /** How many routes each app has. */
  routesPerApp?: number
  /** Instances of each app. */
  instances?: number
  /** Host of the nth route. */
  host?: (n: number) => string
}

/**
 * Makes started apps with mapped routes in one transaction, for benchmarks: to everyone who reads the API, and to Diego,
 * they are as if they had been pushed; only the audit events are missing. Answers the routes' guids in order.
 */
export function loadRoutes(
  store: Store,
  { routes, space, domain, routesPerApp = 1, instances = 1, host = (n) => `bulk-${n}` }: BulkOptions,
): string[] {
  const now = Date.now()
  const metadata = { labels: {}, annotations: {} }
  return store.transaction(() => {
    const guids: string[] = []
    let app = ''
    for (let n = 0; n < routes; n++) {
      if (n % routesPerApp === 0) {
        app = createApp(store, { name: `bulk-${n}`, space, environment: {}, ...metadata }).guid
        const droplet = store.droplets.insert({
          app,
          package: null,
          state: 'STAGED',
          error: null,
          processTypes: { web: 'node server.js' },
          executionMetadata: '',
          buildpack: 'nodejs_buildpack',
          stack: stackName,
          ...metadata,
        })
        store.apps.update(app, { state: 'STARTED', droplet: droplet.guid })
        store.processes.update(app, { instances, droplet: droplet.guid })
      }
      const destination: Destination = {
        guid: randomUUID(),
        app,
        type: 'web',
        port: defaultPort,
        protocol: 'http1',
        weight: null,
        createdAt: now,
        updatedAt: now,
      }
      guids.push(
        store.routes.insert({
          host: host(n),
          path: '',
          domain,
          space,
          options: {},
          destinations: [destination],
          sharedSpaces: [],
          ...metadata,
        }).guid,
      )
    }
    return guids
  })
}
