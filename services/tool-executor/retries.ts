// When a failed call is retried. Pure: the jitter derives from the call's id, so a second run decides the
// same.
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import type { CallFailure } from '../../runtime/stage.ts'

/** R9: at most three retries, 2^n seconds apart. */
const MAX_RETRIES = 3
const FIRST_DELAY_MS = 1_000
/** Jitter only lengthens a wait, by up to a quarter. */
const JITTER = 0.25
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
  const jitter = 1 + JITTER * fraction(at.seed)
  if (failure.code === 'BREAKER_OPEN') {
    if (at.nowMs >= latestMs) return null
    // A half-open breaker says 0: one call probes, the others must not spin.
    const delayMs = Math.max(FIRST_DELAY_MS, failure.retryAfterMs ?? BREAKER_DELAY_MS) * jitter
    return { dueMs: Math.min(at.nowMs + Math.round(delayMs), latestMs), why: 'breaker' }
  }
  if (!failure.retryable || !spec.idempotent || tries >= Math.min(spec.retries, MAX_RETRIES)) return null
  const delayMs = Math.max(FIRST_DELAY_MS * 2 ** tries * jitter, failure.retryAfterMs ?? 0)
  const dueMs = at.nowMs + Math.round(delayMs)
  return dueMs > latestMs ? null : { dueMs, why: 'retry' }
}

/** FNV-1a of the text, as a fraction of 1. */
function fraction(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  return hash / 0x1_0000_0000
}
