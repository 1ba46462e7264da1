import type { Components } from '../components.ts'
import type { ResourceEvent, Store, StoredResource } from '../store/store.ts'
import type { ResourceView } from './view.ts'

/** Changes that are read at once. */
const batch = 200
/** Where nothing changes, a bookmark comes this often, milliseconds. */
const heartbeat = 5000
/** How long one watch lasts, milliseconds: whoever watches on shows his token again. */
export const watchLasts = 300_000

export interface WatchOptions {
  store: Store
  components: Components
  /** The last version that the watcher has. */
  since: number
  /** Whether a resource of this key is one that the watcher may see and has asked for by kind and namespace. */
  concerns: (key: string) => boolean
  /** Whether one is among those that he has asked for by labels. */
  selects: (resource: ResourceView) => boolean
  show: (found: StoredResource[]) => Promise<ResourceView[]>
  signal: AbortSignal
}

/**
 * The lines of a watch: what changed after a version, in order, and resources whose conditions change by what pilots report. It is read from
 * the store as its receiver takes it. Ends after `watchLasts`.
 */
export async function* watchResources({ store, components, since, concerns, selects, show, signal }: WatchOptions): AsyncGenerator<string> {
  const until = Date.now() + watchLasts
  const woken = new Wakeups(store, components, concerns, signal)
  try {
    for (let version = since; !signal.aborted && Date.now() < until; ) {
      const reported = woken.take()
      const changed = await store.resourcesAfter(version, batch)
      if (!changed) return yield line({ type: 'ERROR', object: { code: 'MESH_VERSION_FORGOTTEN', message: 'list the resources again' } })
      const meant = changed.filter(({ key }) => concerns(key))
      const views = new Map((await show(meant.filter(isThere))).map((view) => [view.metadata.resourceVersion, view]))
      for (const event of meant) {
        const view = views.get(String(event.version))
        if (view && selects(view)) yield line({ type: 'APPLIED', object: view })
        else yield line({ type: 'DELETED', object: tombstone(event) })
      }
      version = changed.at(-1)?.version ?? version
      if (changed.length === batch) continue
      const others = reported.filter((key) => !meant.some((event) => event.key === key))
      for (const view of await show((await Promise.all(others.map((key) => store.resources({ key })))).flat())) if (selects(view)) yield line({ type: 'APPLIED', object: view })
      if (await woken.next(heartbeat)) continue
      yield line({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(version) } } })
    }
  } finally {
    woken.stop()
  }
}

const isThere = (event: ResourceEvent): event is ResourceEvent & StoredResource => event.value !== null

/** What is left of a resource that is no longer there, or no longer among those that were asked for. */
function tombstone({ key, version }: ResourceEvent): object {
  const [kind, namespace, name] = key.split('/')
  return { kind, metadata: { name, namespace, resourceVersion: String(version) } }
}

const line = (value: object): string => `${JSON.stringify(value)}\n`

/** Notices commits, and which resources pilots tell something new of. */
class Wakeups {
  readonly #stops: (() => void)[]
  readonly #reported = new Set<string>()
  #happened = false
  #wake = (): void => {}

  constructor(store: Store, components: Components, concerns: (key: string) => boolean, signal: AbortSignal) {
    const notice = (): void => {
      this.#happened = true
      this.#wake()
    }
    const report = (keys: string[]): void => {
      const meant = keys.filter(concerns)
      for (const key of meant) this.#reported.add(key)
      if (meant.length) notice()
    }
    signal.addEventListener('abort', notice)
    this.#stops = [store.onCommit(notice), components.onResources(report), () => signal.removeEventListener('abort', notice)]
  }

  /** The resources that were reported since the last time. */
  take(): string[] {
    this.#happened = false
    const reported = [...this.#reported]
    this.#reported.clear()
    return reported
  }

  /** True once something happened, or the signal aborted; false after `limit` milliseconds. */
  async next(limit: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(resolve, limit)
    if (!this.#happened) await promise
    clearTimeout(timer)
    return this.#happened
  }

  stop(): void {
    for (const stop of this.#stops) stop()
  }
}
