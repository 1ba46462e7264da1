import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root, type Rendered } from './jobs.ts'

export const envoy = join(root, 'vendor/envoy')
export const envoyAbsent = existsSync(envoy) ? undefined : 'Envoy is absent: npm run envoy'

/** A VM's /var/vcap in a folder of its own: packages linked to the checkout, and jobs as the agent lays them down. */
export class Prefix {
  readonly folder = mkdtempSync(join(tmpdir(), 'vcap-'))

  constructor() {
    mkdirSync(this.path('packages/node-24/bin'), { recursive: true })
    mkdirSync(this.path('packages/envoy/bin'), { recursive: true })
    symlinkSync(process.execPath, this.path('packages/node-24/bin/node'))
    if (!envoyAbsent) symlinkSync(envoy, this.path('packages/envoy/bin/envoy'))
    symlinkSync(root, this.path('packages/mesh'))
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts)
  }

  /** What the deployment calls /var/vcap, here; on the loopback interface, and without the user vcap. */
  here(text: string): string {
    return text.replaceAll('/var/vcap', this.folder).replaceAll('0.0.0.0', '127.0.0.1').replaceAll('-o vcap -g vcap ', '')
  }

  /** Writes a rendered job; scripts become executable, as the agent makes them. */
  install(job: string, { files, errors }: Rendered): void {
    if (errors.length) throw new Error(`${job}: ${errors.join('; ')}`)
    for (const [path, text] of Object.entries(files)) {
      const file = this.path('jobs', job, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, this.here(text))
      chmodSync(file, path.startsWith('bin/') ? 0o750 : 0o640)
    }
    for (const folder of [`data/${job}/tmp`, `store/${job}`, `sys/log/${job}`, `sys/run/bpm/${job}`])
      mkdirSync(this.path(folder), { recursive: true })
  }

  discard(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
