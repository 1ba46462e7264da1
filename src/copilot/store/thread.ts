import { parentPort, workerData } from 'node:worker_threads'
import { Reader } from './reader.ts'
import { storeProblem } from './database.ts'
import { Writer, type WriterOptions } from './writer.ts'

/** What a store's thread is started with. */
export type ThreadData = { role: 'writer'; options: WriterOptions } | { role: 'reader'; file: string }
/** A call of one of its methods. */
export interface Call {
  id: number
  method: string
  args: unknown[]
}
export type Answer =
  { id: number; result: unknown } | { id: number; problem: { code: string; status: number; message: string; path?: string } }

const data = workerData as ThreadData
let target: Record<string, (...args: unknown[]) => unknown> | undefined

const open = (): void => {
  target = (data.role === 'writer' ? new Writer(data.options) : new Reader(data.file)) as unknown as typeof target
}

parentPort!.on('message', ({ id, method, args }: Call) => {
  const answer = (body: object): void => parentPort!.postMessage({ id, ...body })
  try {
    answer({ result: method === 'open' ? open() : target![method]!(...args) })
  } catch (error) {
    const { code, status, message, path } = storeProblem(error)
    answer({ problem: { code, status, message, path } })
  }
})
