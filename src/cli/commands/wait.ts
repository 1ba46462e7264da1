import { setTimeout as delay } from 'node:timers/promises'
import { Option } from 'commander'
import { apiOf, examples, type Register } from '../cli.ts'
import type { Api } from '../api.ts'
import { exitCodes } from '../exit.ts'
import { Usage } from '../problems.ts'
import { milliseconds } from '../../mesh/istio/values.ts'
import { condition, namespaceOf, namespaceOption, pathOf, type ShownResource } from '../resources.ts'

/** `wait --for=programmed KIND/NAME`. */
export const wait: Register = (program, cli) => {
  const command = program
    .command('wait')
    .argument('<resource>', 'KIND/NAME, as vs/canary')
    .summary('wait until a resource is in force')
    .addOption(new Option('--for <condition>', 'what to wait for; degraded: until something of it cannot be served; delete: until it is gone').choices(['programmed', 'degraded', 'delete']).default('programmed'))
    .option('--timeout <duration>', 'how long at most', '30s')
    .option(...namespaceOption)
    .action(async (target: string, { for: wanted, timeout }: { for: Wanted; timeout: string }) => {
      const limit = milliseconds(timeout)
      if (limit === undefined || limit < 0) throw Usage(`--timeout: ${timeout} is no duration; write one as 10s`)
      const path = pathOf(target, namespaceOf(command, cli.environment))
      const api = apiOf(command, cli)
      for (const end = Date.now() + limit; ; await delay(200)) {
        const shown = await read(api, path, wanted)
        if (reached(shown, wanted)) return cli.out.write(`${target} ${wanted === 'delete' ? 'is gone' : wanted}`)
        if (Date.now() < end) continue
        const why = wanted === 'delete' ? undefined : shown?.status.conditions.find(({ type }) => type.toLowerCase() === wanted)?.message
        cli.err.write(`meshctl: ${target} is not ${wanted === 'delete' ? 'gone' : wanted} after ${timeout}${why ? `: ${why}` : ''}`)
        cli.exitCode = exitCodes.refused
        return
      }
    })
  examples(command, [
    ['wait --for=programmed vs/canary --timeout 10s', 'ends with 1 where it takes longer'],
    ['wait --for=delete vs/canary', 'until nobody has it any more'],
  ])
}

type Wanted = 'programmed' | 'degraded' | 'delete'

/** Undefined where it is gone, and that is what is waited for. */
async function read(api: Api, path: string, wanted: Wanted): Promise<ShownResource | undefined> {
  try {
    return await api.get<ShownResource>(path)
  } catch (error) {
    if (wanted === 'delete' && (error as { code?: string }).code === 'MESH_RESOURCE_UNKNOWN') return undefined
    throw error
  }
}

function reached(shown: ShownResource | undefined, wanted: Wanted): boolean {
  if (wanted === 'delete') return shown === undefined
  return shown !== undefined && condition(shown, wanted === 'degraded' ? 'Degraded' : 'Programmed') === 'True'
}
