import { randomUUID } from 'node:crypto'
import { generate, interpolate } from './credentials.ts'
import { jobSpec, renderJobs, type Link, type RenderRequest } from './jobs.ts'
import type { InstanceGroup, Job, Manifest } from './manifests.ts'
import { Vm } from './vm.ts'

type Tree = Record<string, unknown>

/** What a test gives a job beyond the manifest: ports, since all VMs share one machine, and shorter times. */
export type Overrides = (job: string, index: number) => Tree

/** A manifest's instances as VMs in folders of their own: what a director makes of it. */
export class Deployment {
  readonly #template: Manifest
  readonly #overrides: Overrides
  #manifest: Manifest
  readonly vms: Vm[]
  /** What the variables hold, by name. */
  variables: Record<string, unknown>

  constructor(manifest: Manifest, variables: Record<string, unknown>, overrides: Overrides) {
    this.#template = manifest
    this.variables = generate(manifest.variables, variables)
    this.#manifest = interpolate(manifest, this.variables) as Manifest
    this.#overrides = overrides
    this.vms = this.#manifest.instance_groups.flatMap((group) =>
      Array.from({ length: group.instances }, (_, index) => {
        const id = randomUUID()
        return new Vm({
          group: group.name,
          index,
          id,
          az: group.azs[index % group.azs.length]!,
          address: `${id}.${group.name}.default.${this.#manifest.name}.bosh`,
          jobs: ours(group).map(({ name }) => name),
        })
      }),
    )
  }

  /**
   * Makes variables anew, as `credhub regenerate`; jobs have them when they are rendered again. Other values are kept, and `set` laid over
   * them.
   */
  regenerate(names: string[], set: Record<string, unknown> = {}): void {
    const kept = Object.fromEntries(Object.entries(this.variables).filter(([name]) => !names.includes(name)))
    this.variables = generate(this.#template.variables, { ...kept, ...set })
    this.#manifest = interpolate(this.#template, this.variables) as Manifest
  }

  group(name: string): Vm[] {
    return this.vms.filter(({ instance }) => instance.group === name)
  }

  /** Addresses that BOSH DNS would answer, each with that of this machine. */
  hosts(): Record<string, string> {
    return Object.fromEntries(this.vms.map(({ instance }) => [instance.address, '127.0.0.1']))
  }

  /** The properties of a job on a VM. */
  properties(vm: Vm, name: string): Tree {
    const job = this.#groupOf(vm).jobs.find((job) => job.name === name)
    if (!job) throw new Error(`${vm.instance.group} has no job ${name}`)
    return merge(job.properties ?? {}, this.#overrides(name, vm.instance.index))
  }

  /** Renders every job of a VM and lays it down there. */
  render(vm: Vm): void {
    const { jobs, group, ...spec } = vm.instance
    const requests: RenderRequest[] = jobs.map((job) => ({
      job,
      properties: this.properties(vm, job),
      links: this.#links(job, vm),
      spec: { ...spec, name: group, deployment: this.#manifest.name, bootstrap: spec.index === 0 },
    }))
    for (const [index, rendered] of renderJobs(requests).entries()) vm.install(jobs[index]!, rendered)
  }

  async discard(): Promise<void> {
    await Promise.all(this.vms.map((vm) => vm.discard()))
  }

  #groupOf({ instance }: Vm): InstanceGroup {
    return this.#manifest.instance_groups.find(({ name }) => name === instance.group)!
  }

  /**
   * Links by type, as the director finds them within a deployment. What only an address tells apart per VM, `address`, is the consumer's
   * matter.
   */
  #links(job: string, consumer: Vm): Record<string, Link> {
    const links: Record<string, Link> = {}
    for (const { name, type } of jobSpec(job).consumes ?? []) {
      for (const group of this.#manifest.instance_groups) {
        for (const candidate of ours(group)) {
          const provided = jobSpec(candidate.name).provides?.find((link) => link.type === type)
          if (provided) links[name] = this.#link(group, candidate, provided.properties ?? [])
        }
      }
    }
    if (!consumer.instance.jobs.includes(job)) throw new Error(`${job} is not on this VM`)
    return links
  }

  #link(group: InstanceGroup, job: Job, shared: string[]): Link {
    const vms = this.group(group.name)
    const defaults = jobSpec(job.name).properties
    const properties = this.properties(vms[0]!, job.name)
    const values = shared.reduce<Tree>((all, path) => merge(all, nest(path, at(properties, path) ?? defaults[path]?.default)), {})
    return {
      address: `q-s0.${group.name}.default.${this.#manifest.name}.bosh`,
      properties: values,
      instances: vms.map(({ instance: { id, index, az, address } }) => ({
        name: group.name,
        id,
        index,
        az,
        address,
        bootstrap: index === 0,
      })),
    }
  }
}

function ours(group: InstanceGroup): Job[] {
  return group.jobs.filter(({ release }) => release === 'mesh')
}

function merge(base: Tree, changes: Tree): Tree {
  const result = { ...base }
  for (const [key, value] of Object.entries(changes)) {
    const before = result[key]
    result[key] = isTree(value) && isTree(before) ? merge(before, value) : value
  }
  return result
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function at(tree: Tree, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (isTree(value) ? value[key] : undefined), tree)
}

function nest(path: string, value: unknown): Tree {
  return path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Tree
}
