// Errors, as exceptions or as data. Their rows: errors/table.ts.
import type { Failure } from '../schemas/generated/events.ts'
import { boundedText } from './text/bounded-text.ts'
import { errorTable, type Severity } from './errors/table.ts'
import { redacted, redactedJson } from './text/redaction.ts'

export { errorTable, type Severity } from './errors/table.ts'

export type ErrorCode = keyof typeof errorTable

/** Servers state waits, and may state any number. */
const MAX_RETRY_AFTER_MS = 31 * 86_400_000

interface ErrorOptions_ extends ErrorOptions {
  /** Made whole, and at most 31 days; ignored if it is no number. */
  retryAfterMs?: number
  /** False: a retry is no use this time. Default: the table's. */
  retryable?: boolean
  /** JSON shown beside the message. */
  details?: unknown
}

/**
 * An error of the table. The message says what happened and where, in at most MESSAGE_CHARS; the remedy comes
 * from the table. Neither message nor details show a secret that the process knows (../text/redaction.ts).
 */
export class FlotillaError extends Error {
  override readonly name = 'FlotillaError'
  readonly code: ErrorCode
  readonly retryAfterMs: number | undefined
  readonly retryable: boolean
  readonly details: unknown

  constructor(code: ErrorCode, message: string, options: ErrorOptions_ = {}) {
    // Before it is cut: half a secret would not be found.
    super(boundedText(redacted(message)), options)
    this.code = code
    this.retryAfterMs = waitOf(options.retryAfterMs)
    this.retryable = options.retryable ?? errorTable[code].retryable
    this.details = redactedJson(options.details)
  }

  get severity(): Severity {
    return errorTable[this.code].severity
  }
  get remedy(): string {
    return errorTable[this.code].remedy
  }
}

/** True for an error of the table with one of the codes. */
export const hasCode = (error: unknown, ...codes: ErrorCode[]): error is FlotillaError =>
  error instanceof FlotillaError && codes.includes(error.code)

/** True for an error of the table that no retry cures. */
export const isFinal = (error: unknown): error is FlotillaError =>
  error instanceof FlotillaError && !error.retryable

function waitOf(ms: number | undefined): number | undefined {
  return ms === undefined || Number.isNaN(ms)
    ? undefined
    : Math.round(Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS))
}

/** The error as event data, its message bounded. `retryable` may be narrowed if the caller knows better. */
export function failure(
  code: ErrorCode,
  message: string,
  retryable: boolean = errorTable[code].retryable,
): Failure {
  const { severity } = errorTable[code]
  return { code, severity, retryable, message: boundedText(message), retryAfterMs: null }
}

/** The failure of a call as an event holds it: without the details that only its caller understands. */
export function plainFailure(failure: Failure): Failure {
  // Older journals and state rows hold failures without a time.
  const { code, severity, retryable, message, retryAfterMs = null } = failure
  return { code, severity, retryable, message: boundedText(message), retryAfterMs }
}

/**
 * The message of any thrown value. An error without one gives that of its first cause, as if no address of a
 * host can be reached (AggregateError), else its name. Node's fetch says why it failed only in its cause.
 */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message === 'fetch failed' && error.cause instanceof Error)
    return `fetch failed: ${messageOf(error.cause)}`
  if (error.message) return error.message
  return error instanceof AggregateError && error.errors.length > 0 ? messageOf(error.errors[0]) : error.name
}

/** Any thrown value as event data; what is not a FlotillaError counts as INTERNAL. */
export function toFailure(error: unknown, fallback: ErrorCode = 'INTERNAL'): Failure {
  if (error instanceof FlotillaError)
    return {
      ...failure(error.code, error.message, error.retryable),
      retryAfterMs: error.retryAfterMs ?? null,
    }
  return failure(fallback, redacted(messageOf(error)))
}

/** Text for a person: code, message, remedy; a stack only for bugs. */
export function describe(error: unknown): string {
  if (error instanceof FlotillaError) return `${error.code}: ${error.message}\n  ${error.remedy}`
  return redacted(error instanceof Error ? (error.stack ?? error.message) : String(error))
}
