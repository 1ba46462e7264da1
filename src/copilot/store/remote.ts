import { Worker } from 'node:worker_threads'
import { Problem } from '../../common/problem.ts'
import type { Answer, Call, ThreadData } from './thread.ts'

/** A reader or writer in a thread of its own, so that no statement holds up the process. Calls run one after the other. */
export class Remote<Target extends object> {
  readonly #worker: Worker
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>()
  #calls = 0
  #closed = false

  constructor(data: ThreadData) {
    this.#worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: data })
    this.#worker.on('message', (answer: Answer) => this.#settle(answer))
  }

  async open(): Promise<void> {
    await this.#send('open', [])
  }

  async call<Method extends keyof Target & string>(
    method: Method,
    ...args: Target[Method] extends (...args: infer Args) => unknown ? Args : never
  ): Promise<Target[Method] extends (...args: never[]) => infer Result ? Result : never> {
    return (await this.#send(method, args)) as never
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#send('close', []).catch(() => {})
    await this.#worker.terminate()
  }

  #send(method: string, args: unknown[]): Promise<unknown> {
    const call: Call = { id: ++this.#calls, method, args }
    const settle = Promise.withResolvers<unknown>()
    this.#pending.set(call.id, settle)
    this.#worker.postMessage(call)
    return settle.promise
  }

  #settle(answer: Answer): void {
    const { resolve, reject } = this.#pending.get(answer.id)!
    this.#pending.delete(answer.id)
    if ('result' in answer) return resolve(answer.result)
    const { code, status, message, path } = answer.problem
    reject(new Problem(code, status, message, path))
  }
}
