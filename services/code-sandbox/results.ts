// The result of a tool call as Python gets it.
import type { ToolCompleted } from '../../schemas/generated/events.ts'
import { limits } from './constants.ts'
import type { ResultEntry } from './executors/port.ts'

export function resultOf(
  reply: Pick<ToolCompleted, 'output' | 'error'> & { readonly status: string },
  { n, seq, nowMs, chars }: { n: number; seq: number; nowMs: number; chars: number },
): ResultEntry {
  const entry = { kind: 'result', n, seq, nowMs } as const
  if (reply.status === 'succeeded' && chars + JSON.stringify(reply.output).length > limits.sessionChars)
    return { ...entry, ok: false, value: null, error: tooMuch }
  if (reply.status === 'succeeded') return { ...entry, ok: true, value: reply.output, error: null }
  const code = reply.error?.code ?? (reply.status === 'unknown' ? 'CALL_OUTCOME_UNKNOWN' : 'TOOL_FAILED')
  const message = reply.error?.message ?? `the call ended as ${reply.status}`
  return { ...entry, ok: false, value: null, error: { code, message } }
}

const tooMuch = {
  code: 'CODE_LIMIT',
  message: `the session holds ${limits.sessionChars.toLocaleString('en')} characters of tool results`,
}
