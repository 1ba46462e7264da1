import { accessSync, constants } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { problem } from '../../common/problem.ts'

export const EnvoyMissing = problem(
  'MESH_ENVOY_MISSING',
  500,
  (where: string) => `there is no Envoy ${where}; "npm run envoy" puts the right one into vendor/, or set engine: embedded`,
)

const vendored = resolve(import.meta.dirname, '../../../vendor/envoy')

/** Where Envoy is: at the configured path, else in PATH, else in vendor/. Throws `EnvoyMissing`. */
export function findEnvoy(path?: string, search = process.env['PATH'] ?? ''): string {
  const candidates =
    path === undefined
      ? [
          ...search
            .split(delimiter)
            .filter(Boolean)
            .map((folder) => join(folder, 'envoy')),
          vendored,
        ]
      : [resolve(path)]
  const found = candidates.find(executable)
  if (!found) throw EnvoyMissing(path === undefined ? 'in PATH or vendor/' : `at ${path}`)
  return found
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
