import { longestTask } from '../../runtime/config/long-tasks.ts'

const DAY_MS = 86_400_000

/** The shortest time a task id is kept: the retention of tasks.submitted. */
export const REMEMBER_MS = 7 * DAY_MS

/** How long an id is kept after its task's deadline, if that is later: a running task is never begun twice. */
export const REMEMBER_AFTER_DEADLINE_MS = DAY_MS

/** Span of a bucket of answered ids, which is deleted as a whole: the most that an id is kept longer. */
export const ANSWER_BUCKET_MS = DAY_MS / 4

/**
 * How long a cancel waits for its task, which may be in a backlog behind it: the retention of tasks.submitted.
 * A task that is read later than that is no longer there to be read.
 */
export const CANCEL_MS = 7 * DAY_MS

/** Cancels without a task that one lane keeps; beyond that, the oldest is dropped. */
export const MAX_CANCELS = 10_000

/** Ranges of a task's fields. */
export const ranges = {
  maxSteps: { least: 1, most: longestTask.maxSteps },
  timeoutMs: { least: 1, most: longestTask.timeoutMs },
  priority: { least: -9, most: 9 },
  estimatedTokens: { least: 1, most: 2_147_483_647 },
  maxOutputTokens: { least: 1, most: 2_147_483_647 },
} as const

export const MAX_TEMPERATURE = 2
