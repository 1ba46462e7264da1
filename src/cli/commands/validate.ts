import { examples, type Register } from '../cli.ts'
import { readDocuments, showErrors, showWarnings } from '../documents.ts'
import { fileOption } from '../resources.ts'

/** `validate -f FILE`. */
export const validate: Register = (program, cli) => {
  const command = program
    .command('validate')
    .summary('check resources without asking copilot')
    .requiredOption(...fileOption)
    .action(({ filename }: { filename: string[] }) => {
      const documents = readDocuments(filename, 'default')
      const right = showErrors(documents, cli)
      showWarnings(documents, cli)
      if (right) cli.out.write('valid')
    })
  examples(command, [['validate -f canary.yaml', 'every error with its line and field']])
}
