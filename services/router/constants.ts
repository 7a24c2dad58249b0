const DAY_MS = 86_400_000

/** The shortest time a task id is kept: the retention of tasks.submitted. */
export const REMEMBER_MS = 7 * DAY_MS

/** Span of a bucket of answered ids, which is deleted as a whole: the most that an id is kept longer. */
export const ANSWER_BUCKET_MS = DAY_MS / 4

/**
 * How long a cancel waits for its task, which may be in a backlog behind it: the longest time limit of a
 * task. A task that was submitted before the cancel and is read later than that has timed out by itself.
 */
export const CANCEL_MS = DAY_MS

/** Cancels without a task that one lane keeps; beyond that, the oldest is dropped. */
export const MAX_CANCELS = 10_000

/** Ranges of a task's fields. */
export const ranges = {
  maxSteps: { least: 1, most: 100 },
  timeoutMs: { least: 1, most: DAY_MS },
  priority: { least: -9, most: 9 },
  estimatedTokens: { least: 1, most: 2_147_483_647 },
  maxOutputTokens: { least: 1, most: 2_147_483_647 },
} as const

export const MAX_TEMPERATURE = 2
