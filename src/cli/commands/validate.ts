import { examples, type Register } from '../cli.ts'
import { checkText } from '../../mesh/istio/check.ts'
import { codes } from '../../mesh/istio/finding.ts'
import { fileOption, readSources } from '../resources.ts'
import { showErrors } from './apply.ts'

/** `validate -f FILE`. */
export const validate: Register = (program, cli) => {
  const command = program
    .command('validate')
    .summary('check resources without asking copilot')
    .requiredOption(...fileOption)
    .action(({ filename }: { filename: string[] }) => {
      const sources = readSources(filename)
      const right = showErrors(sources, 'default', cli)
      for (const { name, text } of sources) {
        for (const { findings, lineOf } of checkText(text, 'default')) {
          for (const { severity, code, path, message } of findings) if (severity === 'warning' && code !== codes.planned) cli.err.write(`${name}:${lineOf(path)}: warning: ${path}: ${message}`)
        }
      }
      if (right) cli.out.write('valid')
    })
  examples(command, [['validate -f canary.yaml', 'every error with its line and field']])
}
