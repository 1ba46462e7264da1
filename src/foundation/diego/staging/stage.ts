import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { create as pack } from 'tar'
import type { StagingInput, StagingResult } from '../../diego.ts'
import { type AppFolder, readAppFolder } from './app-folder.ts'
import { type Buildpack, buildpacks, chosen } from './buildpacks.ts'
import { NoAppDetected } from './errors.ts'
import { unzip } from './unzip.ts'

/**
 * Makes a droplet out of a package: unpacks it, lets the first buildpack that fits do its work, and packs the result as Diego does, a
 * tar.gz with the app in `app/` and what was found out in `staging_info.yml`. Rejects with a sentence for the developer.
 */
export async function stage(input: StagingInput, workFolder: string, log: (line: string) => void): Promise<StagingResult> {
  await mkdir(workFolder, { recursive: true })
  const work = await mkdtemp(join(workFolder, 'build-'))
  try {
    const path = join(work, 'app')
    await mkdir(path)
    await unzip(input.packageFile, path)
    const app = readAppFolder(path)
    const buildpack = choose(app, input)
    log(`-----> ${buildpack.name}`)
    const detected = await buildpack.compile({ app, environment: input.environment, log })
    const result: StagingResult = { processTypes: { ...detected, ...app.procfile }, buildpack: buildpack.name }
    await writeFile(
      join(work, 'staging_info.yml'),
      JSON.stringify({ detected_buildpack: buildpack.name, start_command: result.processTypes['web'] ?? '' }),
    )
    await mkdir(dirname(input.dropletFile), { recursive: true })
    await pack({ gzip: { level: 1 }, file: `${input.dropletFile}.new`, cwd: work, portable: true }, ['app', 'staging_info.yml'])
    await rename(`${input.dropletFile}.new`, input.dropletFile)
    log(`Uploading droplet, ${Math.ceil((await stat(input.dropletFile)).size / 1024)}K`)
    return result
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function choose(app: AppFolder, { buildpacks: names, command }: StagingInput): Buildpack {
  // As with Cloud Foundry's multi-buildpack, the last one named provides the start command.
  const name = names.at(-1)
  if (name) return chosen(name)
  const buildpack = buildpacks.find((buildpack) => buildpack.detects(app, Boolean(command)))
  if (!buildpack) throw NoAppDetected()
  return buildpack
}
