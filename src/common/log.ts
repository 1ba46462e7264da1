import { pino, stdTimeFunctions, type Logger } from 'pino'

export type { Logger }

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** A logger that writes one JSON object a line to standard output, each naming its component. Never give it a secret. */
export function createLogger(component: string, level: LogLevel = 'info'): Logger {
  return pino({
    level,
    base: { component },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: ['*.password', '*.clientSecret', '*.authorization', '*.key'], censor: '[redacted]' },
  })
}
