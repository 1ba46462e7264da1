import { examples, type Register } from '../cli.ts'
import { errorsOf, readDocuments, say, warningsOf } from '../documents.ts'
import { exitCodes } from '../exit.ts'
import { fileOption } from '../resources.ts'

/** `validate -f FILE`. */
export const validate: Register = (program, cli) => {
  const command = program
    .command('validate')
    .summary('check resources without asking copilot')
    .requiredOption(...fileOption)
    .option('-n, --namespace <space>', 'as it is for a space, or for the operator (mesh-system); else MESH_NAMESPACE, else a space')
    .action(({ filename, namespace = cli.environment['MESH_NAMESPACE'] ?? 'default' }: { filename: string[]; namespace?: string }) => {
      const documents = readDocuments(filename, namespace || 'default')
      const [errors, warnings] = [errorsOf(documents), warningsOf(documents)]
      if (errors.length) cli.exitCode = exitCodes.refused
      if (command.optsWithGlobals<{ json?: boolean }>().json) return cli.out.json([...errors, ...warnings])
      say([...errors, ...warnings], cli)
      if (!errors.length) cli.out.write('valid')
    })
  examples(command, [
    ['validate -f canary.yaml', 'every error with its line and field'],
    ['validate -f rules/ --json', 'errors and warnings for programs'],
    ['validate -f mesh.yaml -n mesh-system', "what is the operator's alone is no error"],
  ])
}
