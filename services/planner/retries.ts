// Reactions to a failed model call: retry, wait, change the model, or fail.
//
// 1. A transient failure is retried at most MAX_RETRIES times, 2^n s apart and more, or as long as the
//    provider says.
// 2. After that, or if a retry can't help, the next model of the task is used, for the rest of the task.
// 3. An open breaker is not a failure of the task: another model is used at once; while the breaker of every
//    usable one is open, the task waits, which counts as no retry.
// 4. One of our own limits is not a failure of the task either. At a rate limit the task waits for the same
//    model; a model whose budget is spent is skipped.
// 5. A retry that would pass the deadline is not made.
// 6. The jitter comes from the event's id: a second run waits as long.
import { backoffMs, withJitter } from '../../runtime/backoff.ts'
import type { CallFailure } from '../../runtime/stage.ts'
import { BREAKER_WAIT_MS, FIRST_RETRY_MS, MAX_BREAKER_WAIT_MS, MAX_RETRIES } from './constants.ts'
import type { Run } from './rows.ts'

export type Reaction =
  | { readonly do: 'nothing' }
  | { readonly do: 'retry' | 'wait'; readonly atMs: number; readonly run: Run }
  | { readonly do: 'change'; readonly run: Run }
  | { readonly do: 'fail' }

export interface FailedCall {
  readonly failure: CallFailure
  readonly models: readonly string[]
  readonly eventId: string
  readonly atMs: number
  readonly deadlineMs: number
}

export function react(run: Run, failed: FailedCall): Reaction {
  const { failure, atMs, deadlineMs } = failed
  if (failure.code === 'CALL_ABORTED') return { do: 'nothing' }
  if (failure.code === 'BREAKER_OPEN') return avoidBreaker(run, failed)
  if (failure.code === 'RATE_LIMITED') return waitForRoom(run, failed)
  if (failure.retryable && run.retries < MAX_RETRIES) {
    const retryAtMs = atMs + retryDelayMs(run.retries, failure.retryAfterMs, failed.eventId)
    if (retryAtMs < deadlineMs)
      return { do: 'retry', atMs: retryAtMs, run: { ...run, retries: run.retries + 1 } }
  }
  return nextModel({ ...run, failed: [...run.failed, run.model] }, failed)
}

function avoidBreaker(run: Run, failed: FailedCall): Reaction {
  return nextModel({ ...run, open: [...run.open, run.model] }, failed)
}

/** Each wait is longer, so that many waiting tasks do not all try each time there is room. */
function waitForRoom(run: Run, { failure, atMs, eventId }: FailedCall): Reaction {
  const waits = run.waits ?? 0
  const leastMs = waits === 0 ? 0 : backoffMs(waits - 1, FIRST_RETRY_MS)
  const waitMs = Math.min(MAX_BREAKER_WAIT_MS, Math.max(leastMs, failure.retryAfterMs ?? FIRST_RETRY_MS))
  return { do: 'wait', atMs: atMs + withJitter(waitMs, eventId), run: { ...run, waits: waits + 1 } }
}

function nextModel(run: Run, failed: FailedCall): Reaction {
  const usable = failed.models.map((_, index) => index).filter((index) => !run.failed.includes(index))
  const next = usable.find((index) => !run.open.includes(index))
  if (next !== undefined) return { do: 'change', run: changeModel(run, next, failed) }
  const first = usable[0]
  return first === undefined ? { do: 'fail' } : waitForBreaker({ ...run, model: first, open: [] }, failed)
}

function changeModel(run: Run, next: number, { failure, models }: FailedCall): Run {
  const modelReason = `in place of ${models[run.model] ?? 'the model before it'} (${failure.code})`
  return { ...run, model: next, modelReason, retries: 0 }
}

function waitForBreaker(run: Run, { failure, atMs, eventId }: FailedCall): Reaction {
  const asked = failure.code === 'BREAKER_OPEN' ? failure.retryAfterMs : undefined
  const waitMs = Math.min(MAX_BREAKER_WAIT_MS, Math.max(FIRST_RETRY_MS, asked ?? BREAKER_WAIT_MS))
  return { do: 'wait', atMs: atMs + withJitter(waitMs, eventId), run: { ...run, retries: 0 } }
}

export function retryDelayMs(retries: number, retryAfterMs: number | null | undefined, eventId: string) {
  return withJitter(Math.max(backoffMs(retries, FIRST_RETRY_MS), retryAfterMs ?? 0), eventId)
}
