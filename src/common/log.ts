import { pino, stdTimeFunctions, type Logger } from 'pino'

export type { Logger }

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** What waits to be written while standard output takes nothing, bytes; lines beyond it are lost. */
const mostUnwritten = 1 << 20

/**
 * A logger that writes one JSON object a line to standard output, each naming its component. Never give it a secret.
 * Where standard output cannot be written, as on a full disk, lines are lost and the process goes on.
 */
export function createLogger(component: string, level: LogLevel = 'info'): Logger {
  const output = pino.destination({ fd: 1, maxLength: mostUnwritten })
  output.on('error', () => {})
  return pino(
    {
      level,
      base: { component },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['*.password', '*.clientSecret', '*.authorization', '*.key'], censor: '[redacted]' },
    },
    output,
  )
}
