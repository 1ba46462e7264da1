import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { messageOf } from '../../src/common/problem.ts'

type Methods = Record<string, (...args: never[]) => unknown>
type Reply = { id: number; value: unknown } | { id: number; error: string }

/** What a process of the bench's world offers to the bench. */
export function offer(methods: Methods): void {
  const answer = async ({ id, method, args }: { id: number; method: string; args: never[] }): Promise<void> => {
    try {
      process.send!({ id, value: await methods[method]!(...args) })
    } catch (error) {
      process.send!({ id, error: messageOf(error) })
    }
  }
  process.on('message', (call: Parameters<typeof answer>[0]) => void answer(call))
  process.on('disconnect', () => process.exit())
}

/** A process of the bench's world, beside this one so that its work doesn't hold up the measuring. */
export class Remote<Offered extends Methods> {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #last = 0

  /** Starts `FILE` of this folder with `options` as its argument. */
  constructor(file: string, options: object) {
    this.#child = fork(resolve(import.meta.dirname, file), [JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', (reply: Reply) => {
      const { resolve, reject } = this.#waiting.get(reply.id)!
      this.#waiting.delete(reply.id)
      if ('error' in reply) reject(new Error(reply.error))
      else resolve(reply.value)
    })
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${file} ended with ${code}`))
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  async call<Name extends keyof Offered & string>(
    method: Name,
    ...args: Parameters<Offered[Name]>
  ): Promise<Awaited<ReturnType<Offered[Name]>>> {
    const id = ++this.#last
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(id, waiting)
    this.#child.send({ id, method, args })
    return (await waiting.promise) as Awaited<ReturnType<Offered[Name]>>
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

/** The argument with which a process of the world was started. */
export function given<Options>(): Options {
  return JSON.parse(process.argv[2] ?? '{}') as Options
}
