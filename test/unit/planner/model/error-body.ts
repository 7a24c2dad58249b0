// The shapes in which providers tell of a failure.
import type { ErrorCode } from '../../../../runtime/errors.ts'

export interface ErrorBody {
  readonly who: string
  readonly status: number
  readonly body: unknown
  readonly headers?: Record<string, string>
  readonly gives: ErrorCode
  readonly retryAfterMs?: number
}

export const openAi = (message: string, type: string, code: string | null, param: string | null = null) => ({
  error: { message, type, param, code },
})
export const anthropic = (type: string, message: string) => ({ type: 'error', error: { type, message } })
export const azure = (code: string, message: string) => ({ error: { code, message } })
export const vllm = (status: number, type: string, message: string) => ({
  object: 'error',
  message,
  type,
  param: null,
  code: status,
})
