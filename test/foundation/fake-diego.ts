import type { Crash, DesiredProcess, Diego, InstanceState, LogEnvelope, StagingInput, StagingResult } from '../../src/foundation/diego.ts'

/** A Diego that runs nothing: what is desired is running at once, unless `hold` keeps it starting. */
export class FakeDiego implements Diego {
  readonly desired = new Map<string, DesiredProcess>()
  readonly staged: StagingInput[] = []
  readonly restarted: string[] = []
  /** Process guids' instances that stay STARTING. */
  hold = false
  /** What staging gives, or rejects with. */
  staging: StagingResult | Error = { processTypes: { web: 'npm start' }, buildpack: 'nodejs_buildpack' }
  /** Tells of a crash. */
  crash: (crash: Crash) => void = () => {}
  readonly #listeners: ((processGuid: string) => void)[] = []
  readonly #logs: LogEnvelope[] = []

  desire(process: DesiredProcess): void {
    this.desired.set(process.processGuid, process)
    setImmediate(() => this.tell(process.processGuid))
  }

  remove(processGuid: string): void {
    this.desired.delete(processGuid)
  }

  instances(processGuid: string): InstanceState[] {
    const process = this.desired.get(processGuid)
    return Array.from({ length: process?.instances ?? 0 }, (_, index) => ({
      index,
      instanceGuid: `${processGuid}-${index}`,
      state: this.hold ? ('STARTING' as const) : ('RUNNING' as const),
      since: 0,
      uptime: 1,
      host: '127.0.0.1',
      ports: [{ app: 8080, external: 61_000 + index, externalTls: 61_100 + index }],
      usage: { cpu: 0.1, memory: 1_048_576, disk: 4096 },
    }))
  }

  restartInstance(processGuid: string, index: number): void {
    this.restarted.push(`${processGuid}/${index}`)
  }

  async stage(input: StagingInput, log: (line: string) => void): Promise<StagingResult> {
    this.staged.push(input)
    log('-----> Nodejs Buildpack')
    if (this.staging instanceof Error) throw this.staging
    return this.staging
  }

  logs(appGuid: string, { startTime, endTime, limit = 100, descending }: Parameters<Diego['logs']>[1]): LogEnvelope[] {
    const found = this.#logs.filter(
      (line) =>
        line.appGuid === appGuid &&
        (startTime === undefined || line.timestamp >= startTime) &&
        (endTime === undefined || line.timestamp < endTime),
    )
    return descending ? found.reverse().slice(0, limit) : found.slice(0, limit)
  }

  emitLog(envelope: Omit<LogEnvelope, 'timestamp'>): void {
    this.#logs.push({ ...envelope, timestamp: BigInt(Date.now()) * 1_000_000n + BigInt(this.#logs.length) })
  }

  onInstanceChange(listener: (processGuid: string) => void): void {
    this.#listeners.push(listener)
  }

  onCrash(listener: (crash: Crash) => void): void {
    this.crash = listener
  }

  tell(processGuid: string): void {
    for (const listener of this.#listeners) listener(processGuid)
  }
}
