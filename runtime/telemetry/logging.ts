// Logs on standard error, as JSON or as lines for people: the only importer of pino.
//
// 1. Normal operation is quiet: LOG_LEVEL is `warn` unless set.
// 2. No line shows a secret that the process knows (redaction.ts).
// 3. agent_execution and tool_execution are written at level info, even at LOG_LEVEL warn; not at error,
//    fatal or silent.
import { destination, pino, stdTimeFunctions, type Logger } from 'pino'
import { redacted } from '../text/redaction.ts'
import { logLine } from './log-line.ts'

/** The logger's interface for everybody else: fields first, then the message. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

export interface Loggers {
  readonly log: Logger
  /** Logger of the two records that users were promised; null when they are off. */
  readonly records: Pick<Logger, 'info'> | null
}

export interface LoggingOptions {
  readonly service: string
  readonly level: string
  readonly format: 'text' | 'json'
  /** False: never write the records (for a command whose output is for people). */
  readonly records: boolean
}

/** A command may show a line there that it rewrites: the entry takes its place. */
const lineStart = (): string => (process.stderr.isTTY && process.env['TERM'] !== 'dumb' ? '\r\u001b[2K' : '')

const withoutRecords = ['error', 'fatal', 'silent']

export function createLoggers({ service, level, format, records }: LoggingOptions): Loggers {
  // Synchronous, so that the last words of a process that dies are written.
  const out = destination({ dest: 2, sync: true })
  const log = pino(
    {
      level,
      base: { service },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write: (line: string) =>
        void out.write(redacted(format === 'text' ? `${lineStart()}${logLine(line)}` : line)),
    },
  )
  const areOn = records && !withoutRecords.includes(level)
  return { log, records: areOn ? log.child({}, { level: 'info' }) : null }
}
