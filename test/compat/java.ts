import { join } from 'node:path'
import { run, type Result, type Setting } from './suite.ts'

/** cf-java-client, with Maven and JUnit. */
export async function java({ environment, work }: Setting): Promise<Result> {
  const pom = join(import.meta.dirname, 'java/pom.xml')
  const { code, output } = await run(
    'mvn',
    ['--batch-mode', '--no-transfer-progress', '-Dstyle.color=never', '--file', pom, `-Dcompat.target=${join(work, 'java')}`, 'test'],
    environment,
  )
  // Maven's last word is the sum over all classes.
  const last = [...output.matchAll(/Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)/g)].at(-1)
  const [ran = 0, ...others] = last?.slice(1).map(Number) ?? []
  const failed = others.reduce((sum, n) => sum + n, 0)
  return { passed: ran - failed, failed: failed || (code || !ran ? 1 : 0) }
}
