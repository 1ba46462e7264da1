import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './jobs.ts'
import { applyOperations, readOperations, readYaml } from './ops.ts'

export interface Job {
  name: string
  release: string
  properties?: Record<string, unknown>
  consumes?: Record<string, unknown>
}

export interface InstanceGroup {
  name: string
  azs: string[]
  instances: number
  lifecycle?: string
  vm_type: string
  networks: { name: string }[]
  stemcell: string
  persistent_disk_type?: string
  jobs: Job[]
}

export interface Variable {
  name: string
  type: string
  options?: { ca?: string; is_ca?: boolean; common_name?: string; alternative_names?: string[]; extended_key_usage?: string[] }
}

export interface Manifest {
  name: string
  releases: { name: string }[]
  stemcells: { alias: string }[]
  addons: { name: string; jobs: Job[] }[]
  instance_groups: InstanceGroup[]
  variables: Variable[]
}

const cfDeployment = join(root, '../shared/cf-deployment/cf-deployment.yml')

export const cfDeploymentAbsent = existsSync(cfDeployment) ? undefined : 'cf-deployment.yml is absent: ../shared is not there'

export function readManifest(file: string): Manifest {
  return readYaml(readFileSync(join(root, file), 'utf8')) as Manifest
}

let base: unknown

/** cf-deployment's manifest with some of our ops-files, in this order. */
export function withOpsFiles(names: string[]): Manifest {
  base ??= readYaml(readFileSync(cfDeployment, 'utf8'))
  const operations = names.flatMap((name) => readOperations(readFileSync(join(root, 'ops-files', name), 'utf8')))
  return applyOperations(base, operations) as Manifest
}

/** What of a manifest is ours: the groups with jobs of the release, those jobs, and their variables with the authorities. */
export function meshPart(manifest: Manifest): Manifest {
  const groups = manifest.instance_groups
    .map((group) => ({ ...group, jobs: group.jobs.filter(({ release }) => release === 'mesh') }))
    .filter(({ jobs }) => jobs.length)
  const names = new Set([...usedVariables(groups)].map((name) => name.split('.')[0]))
  const variables = manifest.variables.filter(({ name }) => names.has(name))
  const authorities = manifest.variables.filter(({ name }) => variables.some(({ options }) => options?.ca === name))
  return {
    ...manifest,
    addons: [],
    instance_groups: groups,
    variables: [...authorities, ...variables.filter((variable) => !authorities.includes(variable))],
  }
}

/** Names of variables that a value uses, as `system_domain` and `tls.ca`. */
export function usedVariables(value: unknown): Set<string> {
  return new Set([...JSON.stringify(value).matchAll(/\(\(!?([^()]+)\)\)/g)].map(([, name = '']) => name))
}

/** What a director, its cloud config or CredHub would object to. `given` are the variables that an operator brings. */
export function manifestFaults(manifest: Manifest, given: string[]): string[] {
  const { instance_groups: groups, addons, releases, stemcells, variables } = manifest
  const jobs = [...groups, ...addons].flatMap((owner) => owner.jobs.map((job) => ({ owner: owner.name, ...job })))
  const known = new Set([...variables.map(({ name }) => name), ...given])
  const own = groups.filter(({ jobs }) => jobs.some(({ release }) => release === 'mesh'))
  const networks = new Set(groups.filter((group) => !own.includes(group)).flatMap((group) => group.networks.map(({ name }) => name)))
  const azs = new Set(groups.filter((group) => !own.includes(group)).flatMap((group) => group.azs))
  return [
    ...duplicates('instance group', groups),
    ...duplicates('variable', variables),
    ...duplicates('release', releases),
    ...groups.flatMap((group) => duplicates(`job of ${group.name}`, group.jobs)),
    ...jobs
      .filter(({ release }) => !releases.some(({ name }) => name === release))
      .map(({ owner, name, release }) => `${owner}/${name}: there is no release ${release}`),
    ...groups
      .filter(({ stemcell }) => !stemcells.some(({ alias }) => alias === stemcell))
      .map(({ name, stemcell }) => `${name}: there is no stemcell ${stemcell}`),
    ...[...usedVariables(manifest)].filter((used) => !known.has(used.split('.')[0] ?? '')).map((used) => `nothing defines ((${used}))`),
    ...own.flatMap((group) =>
      group.networks
        .filter(({ name }) => networks.size && !networks.has(name))
        .map(({ name }) => `${group.name}: there is no network ${name}`),
    ),
    ...own.flatMap((group) => group.azs.filter((az) => azs.size && !azs.has(az)).map((az) => `${group.name}: there is no az ${az}`)),
    ...variables.flatMap((variable) => certificateFaults(variable, variables)),
  ]
}

function duplicates(what: string, items: { name: string }[]): string[] {
  const names = items.map(({ name }) => name)
  return names.filter((name, index) => names.indexOf(name) !== index).map((name) => `${what} ${name} stands twice`)
}

function certificateFaults({ name, type, options = {} }: Variable, variables: Variable[]): string[] {
  if (type !== 'certificate' || options.is_ca) return []
  const authority = variables.find((other) => other.name === options.ca)
  return [
    ...(options.alternative_names?.length ? [] : [`${name}: has no alternative names`]),
    ...(options.common_name ? [] : [`${name}: has no common name`]),
    ...(authority?.options?.is_ca ? [] : [`${name}: ${String(options.ca)} is no CA`]),
  ]
}
