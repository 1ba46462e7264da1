import { problem } from '../../../common/problem.ts'

/** What a build fails with; the messages begin as Cloud Controller's do, since clients look for them. */
export const NoAppDetected = problem(
  'NoAppDetectedError',
  422,
  () => 'NoAppDetectedError - An app was not successfully detected by any available buildpack',
)
export const BuildpackUnknown = problem(
  'NoAppDetectedError',
  422,
  (name: string, known: string[]) => `NoAppDetectedError - Buildpack "${name}" is not known here; there are ${known.join(', ')}`,
)
export const CompileFailed = problem(
  'BuildpackCompileFailed',
  422,
  (why: string) => `BuildpackCompileFailed - App staging failed in the buildpack compile phase: ${why}`,
)
export const PackageInvalid = problem('StagingError', 422, (why: string) => `StagingError - The package cannot be unpacked: ${why}`)
