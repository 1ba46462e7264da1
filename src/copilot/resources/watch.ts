import { addAbortListener } from 'node:events'
import { kindNamed } from '../../mesh/istio/kinds.ts'
import { Bell } from '../../common/bell.ts'
import type { Components } from '../components.ts'
import type { ResourceEvent, Store, StoredResource } from '../store/store.ts'
import type { ResourceView } from './view.ts'

/** Changes that are read at once. */
const batch = 200
/** Where nothing changes, a bookmark comes this often, milliseconds. */
const heartbeat = 5000
/** How long one watch lasts, milliseconds: whoever watches on shows his token again. */
const watchLasts = 300_000

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
 * The lines of a watch: what changed after a version, in order, and resources whose conditions change by what pilots report. It is read
 * from the store as its receiver takes it. Ends after `watchLasts`.
 */
export async function* watchResources({ store, components, since, concerns, selects, show, signal }: WatchOptions): AsyncGenerator<string> {
  const until = Date.now() + watchLasts
  const bell = new Bell()
  const reported = new Set([...components.newsOfLate()].filter(concerns))
  const report = (keys: string[]): void => {
    const meant = keys.filter(concerns)
    for (const key of meant) reported.add(key)
    if (meant.length) bell.ring()
  }
  using listening = new DisposableStack()
  listening.defer(store.onCommit(bell.ring))
  listening.defer(components.onResources(report))
  listening.use(addAbortListener(signal, bell.ring))
  for (let version = since; !signal.aborted && Date.now() < until;) {
    const changed = await store.resourcesAfter(version, batch)
    if (!changed) return yield line({ type: 'ERROR', object: { code: 'MESH_VERSION_FORGOTTEN', message: 'list the resources again' } })
    const meant = changed.filter(({ key }) => concerns(key))
    // These are read now, with whatever pilots have said.
    for (const { key } of meant) reported.delete(key)
    const views = new Map((await show(meant.filter(isThere))).map((view) => [view.metadata.resourceVersion, view]))
    for (const event of meant) {
      const view = views.get(String(event.version))
      if (view && selects(view)) yield line({ type: 'APPLIED', object: view })
      else yield line({ type: 'DELETED', object: tombstone(event) })
    }
    version = changed.at(-1)?.version ?? version
    if (changed.length === batch) continue
    const others = [...reported]
    reported.clear()
    for (const view of await show((await Promise.all(others.map((key) => store.resources({ key })))).flat()))
      if (selects(view)) yield line({ type: 'APPLIED', object: view })
    // Those have the versions of long ago; who goes on later goes on from here.
    const heard = !others.length && (await bell.heard(heartbeat))
    if (!heard) yield line({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(version) } } })
  }
}

const isThere = (event: ResourceEvent): event is ResourceEvent & StoredResource => event.value !== null

/** What is left of a resource that is no longer there, or no longer among those that were asked for. */
function tombstone({ key, version }: ResourceEvent): object {
  const [kind = '', namespace, name] = key.split('/')
  return { kind: kindNamed(kind), metadata: { name, namespace, resourceVersion: String(version) } }
}

const line = (value: object): string => `${JSON.stringify(value)}\n`
