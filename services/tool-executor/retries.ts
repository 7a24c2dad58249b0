// When a failed call is retried. The jitter derives from the call's id: a second run decides the same.
import { backoffMs, withJitter } from '../../runtime/backoff.ts'
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import type { CallFailure } from '../../runtime/stage.ts'

/** R9: at most three retries, 2^n seconds apart. */
const MAX_RETRIES = 3
const FIRST_DELAY_MS = 1_000
/** Interval at which a call tries again while its tool's breaker is open. */
const BREAKER_DELAY_MS = 5_000
/** The last attempt begins this long before the task's deadline, so that its answer is still useful. */
const LAST_TRY_BEFORE_DEADLINE_MS = 1_000

export interface NextTry {
  dueMs: number
  why: 'retry' | 'breaker'
}

/** `tries`: attempts before this one. Null: no further attempt. */
export function nextTry(
  spec: ToolSpec,
  failure: CallFailure,
  tries: number,
  at: { nowMs: number; deadlineMs: number; seed: string },
): NextTry | null {
  const latestMs = at.deadlineMs - LAST_TRY_BEFORE_DEADLINE_MS
  if (failure.code === 'BREAKER_OPEN') {
    if (at.nowMs >= latestMs) return null
    // A half-open breaker says 0: one call probes, the others must not spin.
    const delayMs = Math.max(FIRST_DELAY_MS, failure.retryAfterMs ?? BREAKER_DELAY_MS)
    return { dueMs: Math.min(at.nowMs + withJitter(delayMs, at.seed), latestMs), why: 'breaker' }
  }
  if (!failure.retryable || !spec.idempotent || tries >= Math.min(spec.retries, MAX_RETRIES)) return null
  const delayMs = withJitter(backoffMs(tries, FIRST_DELAY_MS), at.seed)
  const dueMs = at.nowMs + Math.max(delayMs, failure.retryAfterMs ?? 0)
  return dueMs > latestMs ? null : { dueMs, why: 'retry' }
}
