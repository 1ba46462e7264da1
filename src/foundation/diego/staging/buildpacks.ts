import type { AppFolder } from './app-folder.ts'
import { BuildpackUnknown } from './errors.ts'
import { nodejs } from './nodejs.ts'
import { staticfile } from './staticfile.ts'

export interface Compilation {
  app: AppFolder
  environment: Record<string, string>
  log: (line: string) => void
}

/** One way to make an app runnable. */
export interface Buildpack {
  name: string
  /** `command` says whether the app comes with a command of its own. */
  detects(app: AppFolder, command: boolean): boolean
  /** Prepares the app's folder; resolves with the commands by process type that it provides, over which a Procfile goes. */
  compile(compilation: Compilation): Promise<Record<string, string>>
}

/** Takes the app as it is, and runs what its Procfile or command says. */
const binary: Buildpack = {
  name: 'binary_buildpack',
  detects: ({ procfile }, command) => command || 'web' in procfile || Object.keys(procfile).length > 0,
  compile: () => Promise.resolve({}),
}

/** In the order in which they are asked. */
export const buildpacks: Buildpack[] = [staticfile, nodejs, binary]

/** The buildpack that a user names: `nodejs_buildpack`, `nodejs`, or a git address of it. */
export function chosen(name: string): Buildpack {
  const known = name
    .replace(/^.*\//, '')
    .replace(/(\.git)?(#.*)?$/, '')
    .replaceAll('-', '_')
    .toLowerCase()
  const buildpack = buildpacks.find((buildpack) => buildpack.name === known || buildpack.name === `${known}_buildpack`)
  if (!buildpack)
    throw BuildpackUnknown(
      name,
      buildpacks.map((buildpack) => buildpack.name),
    )
  return buildpack
}
