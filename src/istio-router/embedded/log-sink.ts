import { createWriteStream } from 'node:fs'
import type { Logger } from '../../common/log.ts'
import type { EngineMetrics } from './metrics.ts'

/** Bytes of access log that may wait for a slow reader; what comes beyond is dropped and counted. */
const maxWaiting = 16 * 1024 * 1024
/**
 * Lines are written when they are as many characters, and at the latest after as many milliseconds: each write to a file costs a thread's
 * waking.
 */
const enough = 65_536
const latest = 250

/** Writes access log lines, many together. */
export class LogSink {
  readonly #stdout: NodeJS.WritableStream
  readonly #metrics: Pick<EngineMetrics, 'logLinesDropped'>
  readonly #log: Logger
  readonly #files = new Map<string, LogFile>()

  constructor(stdout: NodeJS.WritableStream, metrics: Pick<EngineMetrics, 'logLinesDropped'>, log: Logger) {
    this.#stdout = stdout
    this.#metrics = metrics
    this.#log = log
  }

  write(path: string, line: string): void {
    let file = this.#files.get(path)
    if (!file) this.#files.set(path, (file = { stream: this.#open(path), metrics: this.#metrics, lines: '', waiting: 0, timer: undefined }))
    if (file.waiting + file.lines.length > maxWaiting) {
      this.#metrics.logLinesDropped++
      return
    }
    file.timer ??= setTimeout(flush, latest, file)
    file.lines += line
    if (file.lines.length >= enough) flush(file)
  }

  /** Writes what waits and resolves once it is out. */
  async close(): Promise<void> {
    const files = [...this.#files.values()]
    this.#files.clear()
    for (const file of files) flush(file)
    await Promise.all(
      files.map(async ({ stream }) => {
        if (stream !== this.#stdout && stream !== process.stderr) await new Promise<void>((resolve) => stream.end(resolve))
      }),
    )
  }

  #open(path: string): NodeJS.WritableStream {
    const standard = path === '/dev/stdout' ? this.#stdout : path === '/dev/stderr' ? process.stderr : undefined
    const stream: NodeJS.WritableStream = standard ?? createWriteStream(path, { flags: 'a', mode: 0o600 })
    return stream.on('error', (error) => {
      this.#log.error({ path, err: error }, 'cannot write the access log')
      // A file takes nothing more after a failure: the next lines open it anew.
      if (!standard) this.#files.delete(path)
    })
  }
}

interface LogFile {
  stream: NodeJS.WritableStream
  metrics: Pick<EngineMetrics, 'logLinesDropped'>
  lines: string
  /** Characters handed to the stream and not yet out. */
  waiting: number
  timer: NodeJS.Timeout | undefined
}

function flush(file: LogFile): void {
  const { lines, timer } = file
  clearTimeout(timer)
  file.timer = undefined
  if (lines === '') return
  file.lines = ''
  file.waiting += lines.length
  file.stream.write(lines, (error) => {
    file.waiting -= lines.length
    if (error) file.metrics.logLinesDropped += lines.split('\n').length - 1
  })
}
