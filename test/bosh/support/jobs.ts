import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'

export const root = resolve(import.meta.dirname, '../../..')
export const jobNames = ['copilot', 'istio-router', 'pilot', 'route-syncer', 'smoke-tests'] as const

export interface Link {
  properties?: object
  address?: string
  instances: { name: string; id: string; index: number; az: string; address: string; bootstrap: boolean }[]
}

export interface RenderRequest {
  job: string
  properties: object
  links?: Record<string, Link>
  spec?: object
}

export interface Rendered {
  /** Text by path, as `config/pilot.yml`. */
  files: Record<string, string>
  errors: string[]
}

export interface JobSpec {
  name: string
  description: string
  templates: Record<string, string>
  packages: string[]
  consumes?: { name: string; type: string; optional?: boolean }[]
  provides?: { name: string; type: string; properties?: string[] }[]
  properties: Record<string, { description: string; default?: unknown; example?: unknown }>
}

export const rubyAbsent = spawnSync('ruby', ['--version']).status === 0 ? undefined : 'Ruby is absent: apt-get install ruby'

export function jobSpec(job: string): JobSpec {
  return parse(readFileSync(join(root, 'jobs', job, 'spec'), 'utf8')) as JobSpec
}

const spec = {
  name: 'mesh',
  id: '5f2c6f7e-0d0b-4e6a-9a51-0c3b2a6f1d10',
  index: 0,
  az: 'z1',
  ip: '10.0.0.10',
  address: '5f2c6f7e-0d0b-4e6a-9a51-0c3b2a6f1d10.mesh.default.cf.bosh',
  bootstrap: true,
  deployment: 'cf',
  networks: { default: { ip: '10.0.0.10', type: 'manual' } },
}

/** Renders jobs as BOSH's director does, in one run of Ruby. */
export function renderJobs(requests: RenderRequest[]): Rendered[] {
  const input = requests.map(({ job, properties, links, spec: own }) => ({
    job: join(root, 'jobs', job),
    properties,
    links: links ?? {},
    spec: { ...spec, ...own },
  }))
  const { stdout, stderr, status } = spawnSync('ruby', [join(import.meta.dirname, 'render.rb')], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status !== 0) throw new Error(`render.rb: ${stderr}`)
  return JSON.parse(stdout) as Rendered[]
}
