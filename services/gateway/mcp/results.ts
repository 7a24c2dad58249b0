// The result of a task as the result of a tool, and errors in the protocol's form.
//
// 1. A task that failed, or that a limit refused, is a result with `isError`: the model that called it can react.
// 2. What only the fleet's operator can change, such as an agent without a model, is an error of the protocol.
import { ProtocolError, ProtocolErrorCode, type CallToolResult } from '@modelcontextprotocol/server'
import type { AgentTool } from '../../../api/agents.ts'
import type { TaskResult } from '../../../client/types.ts'
import { errorTable, FlotillaError, type ErrorCode } from '../../../runtime/errors.ts'
import { errorBody, isBug, statusOf, type HttpError } from '../../../runtime/host/http/errors.ts'
import type { Failure } from '../../../schemas/generated/events.ts'

/** Names of ours in `_meta`. */
export const meta = {
  taskId: 'flotilla/taskId',
  traceId: 'flotilla/traceId',
  usage: 'flotilla/usage',
  error: 'flotilla/error',
  /** In a call: the id of its task, so that a repeated call gets the same answer. */
  idempotencyKey: 'flotilla/idempotencyKey',
  /** In a call: the user in whose name it is, for a key that acts for several. */
  userId: 'flotilla/userId',
} as const

const operatorsOnly: ReadonlySet<string> = new Set<ErrorCode>([
  'INTERNAL',
  'HANDLER_FAILED',
  'PROCESS_DIED',
  'COMMIT_REFUSED',
  'UNDECODABLE_RECORD',
  'PAYLOAD_MISSING',
  'AGENT_UNKNOWN',
  'MODEL_NOT_CONFIGURED',
  'EXECUTOR_NOT_CONFIGURED',
])

export interface ToolOutput extends Pick<AgentTool, 'outputSchema'> {
  /** Revision 2026-07-28 or later: structured content may be any JSON; before that, an object. */
  readonly isModern: boolean
}

/** Throws a ProtocolError for a failure that only the operator can do something about. */
export function toolResult(result: TaskResult, tool: ToolOutput): CallToolResult {
  const { status, output, error, taskId, traceId, usage } = result
  const about = {
    [meta.taskId]: taskId,
    [meta.usage]: usage,
    ...(traceId ? { [meta.traceId]: traceId } : {}),
  }
  if (status === 'succeeded') return { ...succeeded(output, tool), _meta: about }
  const failure = error ?? { code: 'INTERNAL', message: `the task ended as ${status}`, retryable: false }
  if (operatorsOnly.has(failure.code))
    throw new ProtocolError(ProtocolErrorCode.InternalError, sentenceOf(failure), {
      code: failure.code,
      taskId,
    })
  const { code, retryable } = failure
  const retryAfterMs = error?.retryAfterMs ?? null
  const partial = output === null ? [] : [text(`What it had so far:\n${textOf(output)}`)]
  return {
    content: [text(sentenceOf(failure)), ...partial],
    isError: true,
    _meta: {
      ...about,
      [meta.error]: { code, retryable, ...(retryAfterMs === null ? {} : { retryAfterMs }) },
    },
  }
}

function succeeded(output: unknown, { outputSchema, isModern }: ToolOutput): CallToolResult {
  const isObject = typeof output === 'object' && output !== null && !Array.isArray(output)
  const isStructured = isObject || (isModern && outputSchema !== null)
  return { content: [text(textOf(output))], ...(isStructured ? { structuredContent: output } : {}) }
}

/** Arguments that do not fit: the model that wrote them can correct them. */
export const argumentsRefused = (problems: readonly string[]): CallToolResult => ({
  content: [text(`The arguments do not fit the tool's input schema: ${problems.join('; ')}`)],
  isError: true,
})

const text = (content: string) => ({ type: 'text' as const, text: content })
const textOf = (output: unknown): string =>
  typeof output === 'string' ? output : JSON.stringify(output ?? null, null, 2)

function sentenceOf({ code, message }: Pick<Failure, 'code' | 'message'>): string {
  const remedy = Object.hasOwn(errorTable, code) ? errorTable[code as ErrorCode].remedy : ''
  const said = `${code}: ${message.trimEnd().replace(/\.{1,3}$/, '')}.`
  return remedy === '' || message.includes(remedy) ? said : `${said} ${remedy}`
}

const invalid: ReadonlySet<string> = new Set<ErrorCode>([
  'TASK_UNKNOWN',
  'CALL_UNKNOWN',
  'TASK_INVALID',
  'TASK_ID_REUSED',
  'REQUEST_INVALID',
  'NOT_FOUND',
])
/** A code from the range that the protocol leaves to servers. */
const SERVER_ERROR = -32_000

/** The error of a request; a bug shows nothing of itself. */
export function protocolError(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error
  const { code, message, remedy, retryAfterMs } = errorBody(error as Error)
  return new ProtocolError(numberOf(error as HttpError, code), message, {
    code,
    remedy,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

function numberOf(error: HttpError, code: ErrorCode): number {
  if (isBug(error)) return ProtocolErrorCode.InternalError
  // Fastify's own: of the body, before any message was read.
  if (!(error instanceof FlotillaError))
    return statusOf(error) === 400 ? ProtocolErrorCode.ParseError : ProtocolErrorCode.InvalidRequest
  return invalid.has(code) ? ProtocolErrorCode.InvalidParams : SERVER_ERROR
}
