// A task's result as the text that a client gets, and why it ends there.
import type { FinishReason } from '../../../api/openai/chat.ts'
import type { TaskResult } from '../../../client/types.ts'

export interface Answer {
  readonly text: string
  readonly finish: FinishReason
}

/** Limits on the way to an answer: the text so far, as from a model that reached its limit of tokens. */
const limits: ReadonlySet<string> = new Set(['STEP_LIMIT', 'COST_LIMIT', 'BUDGET_EXCEEDED'])
const CUT_OFF = 'cut off at the limit of output tokens'

/** Null if the task has no answer: its error is reported instead. `asJson`: the request asked for JSON. */
export function answerOf(result: TaskResult, asJson: boolean): Answer | null {
  const { status, output, error } = result
  if (status === 'succeeded') return { text: written(output, asJson), finish: 'stop' }
  if (status !== 'failed' || error === null) return null
  if (error.code === 'MODEL_CONTENT_FILTERED') return { text: '', finish: 'content_filter' }
  if (limits.has(error.code)) return { text: output === null ? '' : written(output, false), finish: 'length' }
  if (error.code === 'OUTPUT_INVALID' && error.message.includes(CUT_OFF))
    return { text: result.steps.findLast(({ text }) => text !== null)?.text ?? '', finish: 'length' }
  return null
}

function written(output: TaskResult['output'], asJson: boolean): string {
  return typeof output === 'string' && !asJson ? output : JSON.stringify(output)
}

const PIECE_CHARS = 64
const MOST_PIECES = 1_000

/** The text in pieces, always the same ones. No character is split. */
export function piecesOf(text: string): string[] {
  const size = Math.max(PIECE_CHARS, Math.ceil(text.length / MOST_PIECES))
  return text.match(new RegExp(`[^]{1,${size}}`, 'gu')) ?? []
}
