// Errors in the shape of OpenAI's API: {error: {message, type, param, code}}.
import type { FastifyReply } from 'fastify'
import type { Mistake } from '../../../api/openai/parameters.ts'
import type { TaskResult } from '../../../client/types.ts'
import { errorTable, FlotillaError, type ErrorCode } from '../../../runtime/errors.ts'
import { errorBody, retryAfter, statusOf, type HttpError } from '../../../runtime/host/http/errors.ts'

export interface OpenAiError {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | null
}

/** A request that can't be taken as it is; `code` and `param` as OpenAI names them. */
export class Refusal extends Error {
  readonly status: number
  readonly param: string | null
  readonly code: string

  constructor(
    { param, message, code }: { param: string | null; message: string; code: string },
    status = 400,
  ) {
    super(message)
    this.param = param
    this.code = code
    this.status = status
  }
}

export const refuse = (
  param: string | null,
  message: string,
  code: Mistake['code'] = 'invalid_value',
): Refusal => new Refusal({ param, message, code })

/** A task that did not succeed, as the answer to the request that waited for it. */
export class TaskFailed extends Error {
  readonly status: number
  readonly failure: NonNullable<TaskResult['error']>

  constructor(failure: NonNullable<TaskResult['error']>) {
    super(failure.message)
    this.failure = failure
    this.status = taskStatuses[failure.code as ErrorCode] ?? 500
  }
}

const taskStatuses: Partial<Record<ErrorCode, number>> = {
  TASK_INVALID: 400,
  TASK_TEXT_FORBIDDEN: 400,
  OVERRIDE_NOT_ALLOWED: 400,
  MODEL_CONTEXT_TOO_LONG: 400,
  AGENT_UNKNOWN: 404,
  SESSION_FORBIDDEN: 403,
  TASK_CANCELLED: 409,
  SESSION_BUSY: 409,
  SESSION_DELETED: 409,
  SESSION_QUEUE_FULL: 429,
  RATE_LIMITED: 429,
  BUDGET_EXCEEDED: 429,
  QUEUE_FULL: 429,
  WORKER_BUSY: 503,
  TASK_TIMED_OUT: 504,
}

/** Codes for which OpenAI's API has a name of its own, which clients know. */
const names: Partial<Record<ErrorCode, string>> = {
  AGENT_UNKNOWN: 'model_not_found',
  RATE_LIMITED: 'rate_limit_exceeded',
  QUEUE_FULL: 'rate_limit_exceeded',
  TOO_MANY_STREAMS: 'rate_limit_exceeded',
  BUDGET_EXCEEDED: 'insufficient_quota',
  MODEL_CONTEXT_TOO_LONG: 'context_length_exceeded',
}

const nameOf = (code: ErrorCode): string => names[code] ?? code.toLowerCase()

/** The error of a request, or of a stream that has begun. */
export function openAiError(error: unknown): { status: number; body: OpenAiError; retryAfterMs?: number } {
  if (error instanceof Refusal) {
    const { message, param, code, status } = error
    return { status, body: { message, type: typeOf(status), param, code } }
  }
  if (error instanceof TaskFailed) {
    const { failure, status } = error
    const code = failure.code as ErrorCode
    const body = {
      message: withRemedy(failure.message, code),
      type: typeOf(status),
      param: null,
      code: nameOf(code),
    }
    return { status, body, ...(failure.retryAfterMs == null ? {} : { retryAfterMs: failure.retryAfterMs }) }
  }
  const known = error as HttpError
  const { code, message, remedy, retryAfterMs } = errorBody(known)
  const status = statusOf(known)
  const body = { message: sentence(message, remedy), type: typeOf(status), param: null, code: nameOf(code) }
  return { status, body, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

/** Clients repeat what fails with 409, 429 or 5xx. A task that has run must not run again because of that. */
export function sendOpenAiError(error: unknown, reply: FastifyReply): FastifyReply {
  const { status, body, retryAfterMs } = openAiError(error)
  if (error instanceof TaskFailed && status !== 429) reply.header('x-should-retry', 'false')
  return retryAfter(reply.code(status), retryAfterMs).send({ error: body })
}

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

const withRemedy = (message: string, code: ErrorCode): string =>
  sentence(message, code in errorTable ? errorTable[code].remedy : '')

const sentence = (message: string, remedy: string): string =>
  remedy === '' || message.includes(remedy) ? message : `${message.replace(/[.\s]*$/, '')}. ${remedy}`

export const isBugOf = (error: unknown): boolean =>
  !(error instanceof Refusal || error instanceof TaskFailed || error instanceof FlotillaError) &&
  statusOf(error as HttpError) >= 500
