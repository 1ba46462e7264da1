import { flushCompileCache } from 'node:module'
import { messageOf } from './problem.ts'
import type { Logger } from './log.ts'

/** A part of a process that runs until it is stopped. Neither method may hang; `stop` also works before `start` is through. */
export interface Part {
  readonly name: string
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * Runs a process: starts its parts in order, then waits for SIGTERM or SIGINT and stops them in reverse.
 * A part that fails to start ends the process with exit code 1, after those before it were stopped.
 */
export async function run(parts: Part[], log: Logger): Promise<void> {
  const started: Part[] = []
  const stopAll = async (): Promise<void> => {
    for (const part of started.reverse()) {
      await part.stop().catch((error: unknown) => log.error({ part: part.name, err: error }, 'stop failed'))
    }
    started.length = 0
  }
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve)
  })

  const starting = async (): Promise<void> => {
    for (const part of parts) {
      started.push(part)
      await part.start()
    }
  }
  try {
    const outcome = await Promise.race([starting(), signalled])
    if (outcome === undefined) log.info('ready')
    // Node does so at the end, which a process that is killed does not have.
    flushCompileCache()
  } catch (error) {
    log.fatal({ err: error }, `cannot start: ${messageOf(error)}`)
    await stopAll()
    process.exit(1)
  }
  log.info(`${await signalled}: stopping`)
  await stopAll()
  log.info('stopped')
  process.exit(0)
}
