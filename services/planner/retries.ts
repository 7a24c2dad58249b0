// What follows from a failed model call.
//
// 1. What may succeed later is retried at most MAX_RETRIES times, 2^n s apart and more, or as long as the provider says.
// 2. After that, or where a retry can't help, the next model of the task is used, for the rest of the task.
// 3. An open breaker is no failure of the task: another model is used at once; while every usable one's is open the task
//    waits, and that counts as no retry.
// 4. A limit of ours is no failure of the task either. A rate is waited for, with the same model; a model whose budget is
//    spent is passed over.
// 5. A retry that would pass the deadline is not waited for.
// 6. The jitter comes from the event's id: a second run waits as long.
import type { CallFailure } from '../../runtime/stage.ts'
import { BREAKER_WAIT_MS, FIRST_RETRY_MS, JITTER, MAX_BREAKER_WAIT_MS, MAX_RETRIES } from './constants.ts'
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
  if (failure.code === 'BREAKER_OPEN') return aroundBreaker(run, failed)
  if (failure.code === 'RATE_LIMITED') return forRoom(run, failed)
  if (failure.retryable && run.retries < MAX_RETRIES) {
    const retryAtMs = atMs + retryDelayMs(run.retries, failure.retryAfterMs, failed.eventId)
    if (retryAtMs < deadlineMs)
      return { do: 'retry', atMs: retryAtMs, run: { ...run, retries: run.retries + 1 } }
  }
  return nextModel({ ...run, failed: [...run.failed, run.model] }, failed)
}

function aroundBreaker(run: Run, failed: FailedCall): Reaction {
  return nextModel({ ...run, open: [...run.open, run.model] }, failed)
}

/** Each time longer, so that many that wait do not all ask each time a place is free. */
function forRoom(run: Run, { failure, atMs, eventId }: FailedCall): Reaction {
  const waits = run.waits ?? 0
  const leastMs = waits === 0 ? 0 : FIRST_RETRY_MS * 2 ** (waits - 1)
  const waitMs = Math.min(MAX_BREAKER_WAIT_MS, Math.max(leastMs, failure.retryAfterMs ?? FIRST_RETRY_MS))
  return { do: 'wait', atMs: atMs + jittered(waitMs, eventId), run: { ...run, waits: waits + 1 } }
}

function nextModel(run: Run, failed: FailedCall): Reaction {
  const usable = failed.models.map((_, index) => index).filter((index) => !run.failed.includes(index))
  const next = usable.find((index) => !run.open.includes(index))
  if (next !== undefined) return { do: 'change', run: changed(run, next, failed) }
  const first = usable[0]
  return first === undefined ? { do: 'fail' } : waiting({ ...run, model: first, open: [] }, failed)
}

function changed(run: Run, next: number, { failure, models }: FailedCall): Run {
  const modelReason = `in place of ${models[run.model] ?? 'the model before it'} (${failure.code})`
  return { ...run, model: next, modelReason, retries: 0 }
}

function waiting(run: Run, { failure, atMs, eventId }: FailedCall): Reaction {
  const asked = failure.code === 'BREAKER_OPEN' ? failure.retryAfterMs : undefined
  const waitMs = Math.min(MAX_BREAKER_WAIT_MS, Math.max(FIRST_RETRY_MS, asked ?? BREAKER_WAIT_MS))
  return { do: 'wait', atMs: atMs + jittered(waitMs, eventId), run: { ...run, retries: 0 } }
}

export function retryDelayMs(retries: number, retryAfterMs: number | null | undefined, eventId: string) {
  return jittered(Math.max(FIRST_RETRY_MS * 2 ** retries, retryAfterMs ?? 0), eventId)
}

function jittered(ms: number, eventId: string): number {
  return Math.round(ms * (1 + JITTER * fraction(eventId)))
}

/** 0 to 1, the same for the same id: FNV-1a, then the last mixing steps of MurmurHash3. */
function fraction(id: string): number {
  let hash = 0x811c9dc5
  for (const char of id) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}
