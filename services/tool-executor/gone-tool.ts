// Calls of tools that the configuration no longer has, begun by a process that died while it still had them.
//
// Such a call may have taken effect: what is known of it is what the journal has. It is not made again, and nobody can look it
// up, ask people about it, or go on with it.
import { failure } from '../../runtime/errors.ts'
import type { CallOutcome } from '../../runtime/stage.ts'
import type { ToolAnswer } from './call.ts'
import { statusOf, type Ending } from './events.ts'
import type { Callable } from './tool-call.ts'

/** Stands for the tool: its call is looked up, and can't be made. */
export const goneTool: Callable = { timeoutMs: 1_000, idempotent: false }

export function endingOfGone(tool: string, outcome: CallOutcome, firstMs = outcome.startedMs): Ending {
  const at = { startedAtMs: firstMs, endedAtMs: outcome.endedMs }
  if (!outcome.ok) return { status: statusOf(outcome.failure), error: outcome.failure, ...at }
  const answer = outcome.value as ToolAnswer
  if (!answer.asks && !answer.pending) return { status: 'succeeded', error: null, answer, ...at }
  const error = failure('CALL_OUTCOME_UNKNOWN', `${tool} was begun, and is no longer configured`)
  return { status: 'unknown', error, ...at }
}
