import type { Bounds } from '../../mesh/istio/check.ts'
import type { Finding } from '../../mesh/istio/finding.ts'
import type { Resource } from '../../mesh/istio/types.ts'
import type { Components } from '../components.ts'
import type { Audit } from '../people/audit.ts'
import type { Caller } from '../people/caller.ts'
import { Frozen, ResourceUnknown } from '../problems.ts'
import type { ResourceChange, Store, StoredResource } from '../store/store.ts'
import { accept } from './accept.ts'
import { showResource, type ResourceView, type Warning } from './view.ts'
import { loadWorld } from './world.ts'

/** What came, or would come, of one change. */
export interface Outcome {
  key: string
  outcome: 'created' | 'configured' | 'unchanged' | 'deleted'
  resourceVersion: string
  warnings: Warning[]
  /** The resource before and after, as people write it. */
  before?: object
  after?: object
}

export interface ResourcesOptions {
  store: Store
  components: Components
  audit: Audit
  bounds: Bounds
  /** Most resources of one namespace. */
  most: number
}

/** What people apply. */
export class Resources {
  readonly #options: ResourcesOptions

  constructor(options: ResourcesOptions) {
    this.#options = options
  }

  /** Applies documents, all or none; with `dryRun` only tells what would come of them. `namespace` is that of those which name none. */
  async apply(caller: Caller, documents: unknown[], namespace: string, dryRun: boolean): Promise<Outcome[]> {
    const accepted = await accept(this.#options.store, documents, namespace, caller, this.#options.bounds)
    const outcomes = await this.#change(
      caller,
      accepted.map(({ change }) => change),
      dryRun,
    )
    return outcomes.map((outcome, position) => ({ ...outcome, warnings: [...outcome.warnings, ...summary(accepted[position]!.warnings)] }))
  }

  /** Throws `MESH_RESOURCE_UNKNOWN`, `MESH_VERSION_CONFLICT`. */
  async delete(caller: Caller, key: string, { expected, dryRun = false }: { expected?: number; dryRun?: boolean }): Promise<Outcome> {
    const { value } = await this.read(key)
    const [outcome] = await this.#change(
      caller,
      [{ key, namespace: (JSON.parse(value) as Resource).metadata.namespace, value: null, ...(expected !== undefined && { expected }) }],
      dryRun,
    )
    return outcome!
  }

  /** Throws `MESH_RESOURCE_UNKNOWN`. */
  async read(key: string): Promise<StoredResource> {
    const [found] = await this.#options.store.resources({ key })
    if (!found) throw ResourceUnknown(key)
    return found
  }

  /** Resources as people see them. */
  async show(found: StoredResource[]): Promise<ResourceView[]> {
    const { store, components } = this.#options
    const surroundings = {
      components,
      switches: await store.switches(),
      world: await loadWorld(
        store,
        found.map(({ value }) => JSON.parse(value) as Resource),
      ),
    }
    return found.map((one) => showResource(one, surroundings))
  }

  async #change(caller: Caller, changes: ResourceChange[], dryRun: boolean): Promise<Outcome[]> {
    const { store, audit, most } = this.#options
    const { outcomes } = await store.changeResources(caller.name, changes, { most, dryRun })
    const refusal = dryRun ? await this.#frozen() : []
    return outcomes.map(({ key, outcome, version, before, after }) => {
      const states = { ...(before && { before: written(before) }), ...(after && { after: written(after) }) }
      if (outcome !== 'unchanged' && !dryRun) audit({ author: caller.name, action: outcome, subject: key, ...states })
      return { key, outcome, resourceVersion: String(version), warnings: outcome === 'unchanged' ? [] : refusal, ...(dryRun && states) }
    })
  }

  /** Why nothing can be changed now, where a dry run tells what would come of it. */
  async #frozen(): Promise<Warning[]> {
    const freeze = (await this.#options.store.switches()).find(({ name }) => name === 'freeze')
    return freeze ? [{ code: Frozen.code, path: '', message: Frozen(freeze.author, new Date(freeze.at).toISOString()).message }] : []
  }
}

/** A resource without what copilot adds. */
function written(value: string): object {
  const {
    metadata: { generation: _generation, createdAt: _createdAt, ...metadata },
    ...resource
  } = JSON.parse(value) as Resource
  return { apiVersion: resource.apiVersion, kind: resource.kind, metadata, spec: resource.spec }
}

const summary = (warnings: Finding[]): Warning[] => warnings.map(({ code, path, message }) => ({ code, path, message }))
