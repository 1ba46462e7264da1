import { setTimeout as delay } from 'node:timers/promises'
import { Option } from 'commander'
import { apiOf, examples, type Register } from '../cli.ts'
import { Usage } from '../problems.ts'
import { milliseconds } from '../../mesh/istio/values.ts'
import { condition, namespaceOf, namespaceOption, pathOf, type ShownResource } from '../resources.ts'

/** `wait --for=programmed KIND/NAME`. */
export const wait: Register = (program, cli) => {
  const command = program
    .command('wait')
    .argument('<resource>', 'KIND/NAME, as vs/canary')
    .summary('wait until a resource is in force')
    .addOption(new Option('--for <condition>', 'what to wait for').choices(['programmed']).default('programmed'))
    .option('--timeout <duration>', 'how long at most', '30s')
    .option(...namespaceOption)
    .action(async (target: string, { timeout }: { timeout: string }) => {
      const limit = milliseconds(timeout)
      if (limit === undefined || limit < 0) throw Usage(`--timeout: ${timeout} is no duration; write one as 10s`)
      const path = pathOf(target, namespaceOf(command, cli.environment))
      const api = apiOf(command, cli)
      for (const end = Date.now() + limit; ; await delay(200)) {
        const shown = await api.get<ShownResource>(path)
        if (condition(shown, 'Programmed') === 'True') return cli.out.write(`${target} programmed`)
        if (Date.now() < end) continue
        const { message } = shown.status.conditions.find((one) => one.message) ?? {}
        cli.err.write(`meshctl: ${target} is not programmed after ${timeout}${message ? `: ${message}` : ''}`)
        cli.exitCode = 1
        return
      }
    })
  examples(command, [['wait --for=programmed vs/canary --timeout 10s', 'ends with 1 where it takes longer']])
}
