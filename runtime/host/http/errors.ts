// Errors as every server of Flotilla answers with them: {error: {code, message, remedy}}, and never a stack.
import type { FastifyReply } from 'fastify'
import { errorTable, FlotillaError, type ErrorCode } from '../../errors.ts'
import { redacted } from '../../text/redaction.ts'

export type HttpError = Error & { statusCode?: number }

const statuses: Partial<Record<ErrorCode, number>> = {
  NOT_FOUND: 404,
  TASK_UNKNOWN: 404,
  CALL_UNKNOWN: 404,
  EVENTS_GONE: 410,
  TASK_ID_REUSED: 409,
  TASK_OPEN: 409,
  CALL_NOT_WAITING: 409,
  FORK_DIVERGED: 409,
  TASK_INVALID: 400,
  REQUEST_INVALID: 400,
  SCHEMA_MISMATCH: 400,
  RATE_LIMITED: 429,
  BUDGET_EXCEEDED: 429,
  QUEUE_FULL: 429,
  RECORD_TOO_LARGE: 413,
  HOST_REFUSED: 421,
  ORIGIN_REFUSED: 403,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  TOO_MANY_ATTEMPTS: 429,
}

/** Messages for statuses that Fastify describes too briefly. */
const messages: Readonly<Record<number, string>> = {
  413: 'the body is longer than 1,000,000 bytes',
  414: 'a part of the path is longer than 256 characters',
  415: 'a request that changes something must be JSON, with content-type: application/json (even if its body is empty)',
  431: 'the request has more than 100 headers',
}

/** Remedies of the statuses that have no code of their own. */
const remedies: Readonly<Record<number, string>> = {
  413: 'Send less; put large inputs where a tool can fetch them.',
  414: 'Shorten the path: ids have at most 128 characters.',
  415: 'Send the header content-type: application/json, and a JSON body.',
  431: 'Send fewer headers.',
}

export function statusOf(error: HttpError): number {
  if (!(error instanceof FlotillaError)) return error.statusCode ?? 500
  return statusOfCode(error.code)
}

export const statusOfCode = (code: ErrorCode): number =>
  statuses[code] ?? (errorTable[code].retryable ? 503 : 500)

export interface ErrorBody {
  readonly code: ErrorCode
  readonly message: string
  readonly remedy: string
  readonly retryAfterMs?: number
}

/** An error that is neither a FlotillaError nor the request's fault is a bug: only the log has its text. */
export function errorBody(error: HttpError): ErrorBody {
  if (error instanceof FlotillaError) {
    const { code, message, remedy, retryAfterMs } = error
    return { code, message, remedy, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
  }
  const status = statusOf(error)
  const code = status < 500 ? 'REQUEST_INVALID' : 'INTERNAL'
  const known = status < 500 ? redacted(error.message) : 'an unexpected error; see the log of this process'
  return { code, message: messages[status] ?? known, remedy: remedies[status] ?? errorTable[code].remedy }
}

export const isBug = (error: HttpError): boolean =>
  !(error instanceof FlotillaError) && statusOf(error) >= 500

export function sendError(error: HttpError, reply: FastifyReply): FastifyReply {
  const body = errorBody(error)
  return retryAfter(reply.code(statusOf(error)), body.retryAfterMs).send({ error: body })
}

export function retryAfter(reply: FastifyReply, ms: number | null | undefined): FastifyReply {
  return ms == null ? reply : reply.header('retry-after', Math.ceil(ms / 1_000))
}
