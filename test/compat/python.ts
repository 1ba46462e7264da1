import { join } from 'node:path'
import { run, type Result, type Setting } from './suite.ts'

/** cf-python-client in a virtual environment of its own, with unittest. */
export async function python({ environment, work }: Setting): Promise<Result> {
  const folder = join(import.meta.dirname, 'python')
  const venv = join(work, 'python')
  for (const [command, ...args] of [
    ['python3', '-m', 'venv', venv],
    [join(venv, 'bin/pip'), 'install', '--quiet', '--disable-pip-version-check', '--requirement', join(folder, 'requirements.txt')],
  ] as const) {
    const { code } = await run(command, args)
    if (code) return { passed: 0, failed: 1, reason: `${command} ${args.join(' ')}: exit code ${code}` }
  }
  const { code, output } = await run(join(venv, 'bin/python'), ['-B', join(folder, 'reads.py'), '--verbose'], environment)
  const ran = Number(/^Ran (\d+) tests?/m.exec(output)?.[1] ?? 0)
  const failed = [...output.matchAll(/(?:failures|errors|skipped)=(\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0)
  return { passed: Math.max(0, ran - failed), failed: failed || (code || !ran ? 1 : 0) }
}
