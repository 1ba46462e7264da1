import type { Logger } from '../../common/log.ts'

/** Envoy's `--log-format`: one JSON object a line. `%j` is the message, escaped for JSON. */
export const logFormat = '{"level":"%l","logger":"%n","message":"%j"}'

const levels: Record<string, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  critical: 'fatal',
}

const longest = 4096

/**
 * Writes a line of Envoy's log as one of ours, shortened where it quotes a whole resource. What isn't in the format (a crash's stack) is
 * passed on as an error.
 */
export function logLine(log: Logger, line: string): void {
  if (!line.trim()) return
  try {
    const { level, logger, message } = JSON.parse(line) as { level: string; logger: string; message: string }
    log[levels[level] ?? 'info']({ envoy: logger }, message.slice(0, longest))
  } catch {
    log.error({ envoy: 'stderr' }, line.slice(0, longest))
  }
}
