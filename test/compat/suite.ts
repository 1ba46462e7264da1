import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Setting {
  /** What the clients are told of the running foundation. */
  environment: Record<string, string>
  /** A folder for what is built, gone afterwards. */
  work: string
}

export interface Result {
  passed: number
  failed: number
  /** Why it could not run. */
  reason?: string
}

/** Runs a program, showing what it says, and answers that with its exit code. Rejects where the program is missing. */
export async function run(command: string, args: string[], env: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      process.stdout.write(chunk)
    })
  }
  const [code] = (await Promise.race([once(child, 'close'), once(child, 'error').then(([error]) => Promise.reject(error as Error))])) as [
    number | null,
  ]
  return { code: code ?? 1, output }
}
