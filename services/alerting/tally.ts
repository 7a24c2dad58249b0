// Counts of one lane over one second. A full tally is emitted early, so nothing is left out.
import type { OutcomesTallied, TaskCompleted } from '../../schemas/generated/events.ts'

export const BUCKET_MS = 1_000
/** How long a tally waits for results of its second: each that comes later is a tally of its own, and two commits more. */
export const LATE_MS = 500
const MAX_TIMES = 500
const MAX_ERRORS = 20
const MAX_ERROR_CHARS = 500

export type Tally = OutcomesTallied

export const bucketOf = (atMs: number): number => Math.floor(atMs / BUCKET_MS) * BUCKET_MS

export const emptyTally = (bucketMs: number, lane: number): Tally => ({
  bucketMs,
  lane,
  succeeded: 0,
  failed: 0,
  tokens: 0,
  executionTimesMs: [],
  errors: [],
  quality: null,
  satisfaction: null,
})

/** Rejected and cancelled tasks say nothing about the fleet's health; their tokens count all the same. */
export function addToTally(tally: Tally, { status, usage, error, executionTime }: TaskCompleted): Tally {
  const tokens = tally.tokens + usage.inputTokens + usage.outputTokens
  if (status === 'rejected' || status === 'cancelled') return { ...tally, tokens }
  const succeeded = status === 'succeeded'
  const text = error && `${error.code}: ${error.message}`.slice(0, MAX_ERROR_CHARS)
  return {
    ...tally,
    tokens,
    succeeded: tally.succeeded + Number(succeeded),
    failed: tally.failed + Number(!succeeded),
    executionTimesMs: [...tally.executionTimesMs, executionTime],
    errors: text === null || tally.errors.includes(text) ? tally.errors : [...tally.errors, text],
  }
}

export const isFull = ({ executionTimesMs, errors }: Tally): boolean =>
  executionTimesMs.length >= MAX_TIMES || errors.length >= MAX_ERRORS
