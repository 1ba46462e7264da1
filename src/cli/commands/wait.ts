import { setTimeout as delay } from 'node:timers/promises'
import { InvalidArgumentError, Option } from 'commander'
import { apiOf, each, examples, type Register } from '../cli.ts'
import type { Api } from '../api.ts'
import { NotReached, Usage } from '../problems.ts'
import { milliseconds } from '../../mesh/istio/values.ts'
import { condition, namespaceOf, namespaceOption, pathOf, readTargets, shortTarget, type ShownResource } from '../resources.ts'

/** `wait --for=programmed KIND/NAME…`. */
export const wait: Register = (program, cli) => {
  const command = program
    .command('wait')
    .argument('<resources...>', 'KIND/NAME, as vs/canary; or KIND NAME…')
    .summary('wait until resources are in force')
    .addOption(
      new Option('--for <condition>', 'what to wait for; degraded: until something of it cannot be served; delete: until it is gone')
        .choices(conditions)
        // As kubectl has it: condition=Programmed.
        .argParser((written) => conditions.find((one) => one === written.replace(/^condition=/, '').toLowerCase()) ?? unknown())
        .default('programmed'),
    )
    .option('--timeout <duration>', 'how long at most, for all together', '30s')
    .option(...namespaceOption)
    .action(async (targets: string[], { for: wanted, timeout }: { for: Wanted; timeout: string }) => {
      const limit = milliseconds(timeout)
      if (limit === undefined || limit < 0) throw Usage(`--timeout: ${timeout} is no duration; write one as 10s`)
      const namespace = namespaceOf(command, cli.environment)
      const waits = readTargets(targets).map((target) => ({ target: shortTarget(target), path: pathOf(target, namespace) }))
      const api = apiOf(command, cli)
      const end = Date.now() + limit
      await each(command, cli, waits, {
        act: async ({ target, path }) => {
          const shown = await lastSeen(api, path, wanted, end)
          if (!reached(shown, wanted)) throw NotReached(target, wanted === 'delete' ? 'gone' : wanted, timeout, messageOf(shown, wanted))
          return { target, reached: wanted }
        },
        show: ({ target }) => cli.out.write(`${target} ${wanted === 'delete' ? 'is gone' : wanted}`),
      })
    })
  examples(command, [
    ['wait --for=programmed vs/canary dr/hello --timeout 10s', 'both; ends with 1 where one takes longer or is not there'],
    ['wait --for=delete vs/canary', 'until nobody has it any more'],
  ])
}

/** The resource as soon as it has reached what is wanted, else as it is at the end. */
async function lastSeen(api: Api, path: string, wanted: Wanted, end: number): Promise<ShownResource | undefined> {
  for (; ; await delay(200)) {
    const shown = await read(api, path, wanted)
    if (reached(shown, wanted) || Date.now() >= end) return shown
  }
}

const conditions = ['programmed', 'degraded', 'delete'] as const
type Wanted = (typeof conditions)[number]

function unknown(): never {
  throw new InvalidArgumentError(`There are ${conditions.join(', ')}.`)
}

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

/** What is said of the condition that is waited for. */
const messageOf = (shown: ShownResource | undefined, wanted: Wanted): string | undefined =>
  shown?.status.conditions.find(({ type }) => type.toLowerCase() === wanted)?.message
