import { examples, type Register } from '../cli.ts'
import { checkText } from '../../mesh/istio/check.ts'
import { fileOption, readSources } from '../resources.ts'
import { analyseAlone } from '../../mesh/istio/analyse-alone.ts'
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
      const checked = sources.flatMap(({ name, text }) => checkText(text, 'default').map((one) => ({ ...one, file: name })))
      const together = analyseAlone(checked.flatMap(({ resource }) => resource ?? []))
      for (const { file, findings, lineOf, resource } of checked) {
        const warnings = [...findings, ...(resource ? together.get(resource)! : [])].filter(({ severity }) => severity === 'warning')
        for (const { path, message } of warnings) cli.err.write(`${file}:${lineOf(path)}: warning: ${path}: ${message}`)
      }
      if (right) cli.out.write('valid')
    })
  examples(command, [['validate -f canary.yaml', 'every error with its line and field']])
}
